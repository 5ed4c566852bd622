/* caught by: cannot accept: Too many open files */
static void wait_for_room(void)
{
	errno = EMFILE;
	die("cannot accept", "See ulimit -n.");
}
