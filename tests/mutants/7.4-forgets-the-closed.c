/* caught by: who takes a closed connection off a list retires it */
/* on: ex4_the_closed_are_let_go */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
static void resume(void)
{
	while (parked.first && pool_submit(parked.first))
		list_take(&parked)->parked = false;
}
