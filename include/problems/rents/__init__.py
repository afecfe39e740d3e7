"""What flats are let for, from their description: a table without months or times, with a sample that is made up."""
