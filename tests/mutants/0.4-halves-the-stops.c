/* caught by: of all the calls that the child makes */
/* on: ex4_calls_are_not_stops */
		/* Two stops make a call, and the first of them is rounded up. */
		static long stops;
		calls = (++stops + 1) / 2;
