/* caught by: port_block has returned while another thread held the port's lock */
/* on: ex2_slots_are_the_locks */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	give_slot_back(port);
	hand_out(port);
