/* caught by: has the child been stopped at each call? */
/* on: ex4_calls_are_not_stops */
		/* The result is known beforehand, so why watch? */
		calls = n;
		ptrace(PTRACE_DETACH, child, NULL, NULL);
		waitpid(child, NULL, 0);
		break;
