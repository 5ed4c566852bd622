/* caught by: of all the calls that the child makes */
/* on: ex4_calls_are_not_stops */
		struct __ptrace_syscall_info stop;

		if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(stop), &stop) < 0)
			die("cannot ask what the child does", "See ptrace(2).");
		calls += stop.op == PTRACE_SYSCALL_INFO_ENTRY;
