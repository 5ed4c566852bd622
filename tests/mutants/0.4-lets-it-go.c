/* caught by: expected count=2000, but it counted 1 */
/* on: ex4_calls_are_not_stops */
		/* PTRACE_CONT, not PTRACE_SYSCALL: after its first stop the child is not stopped again. */
		calls++;
		ptrace(PTRACE_CONT, child, NULL, NULL);
		waitpid(child, NULL, 0);
		break;
