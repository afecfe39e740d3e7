"""How figures and tables look: the frame that every chart shares."""
