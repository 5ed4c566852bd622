/* caught by: expected "+PONG */
static void wait_for_room(void)
{
	stopping = true;
}
