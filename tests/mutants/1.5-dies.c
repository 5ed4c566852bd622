/* caught by: cannot accept: Too many open files */
/* on: ex5_recovers_when_a_client_leaves */
static void wait_for_room(void)
{
	errno = EMFILE;
	die("cannot accept", "See ulimit -n.");
}
