/* caught by: expected "+PONG */
/* on: ex5_recovers_when_a_client_leaves */
static void wait_for_room(void)
{
	stopping = true;
}
