/* caught by: expected count=2000, but it counted 0 */
/* on: ex4_calls_are_not_stops */
		/* On the way out the number of the call is not told: what is read there belongs to the result. */
		struct __ptrace_syscall_info stop;

		if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(stop), &stop) < 0)
			die("cannot ask what the child does", "See ptrace(2).");
		calls += stop.op == PTRACE_SYSCALL_INFO_EXIT && stop.entry.nr == SYS_getppid;
