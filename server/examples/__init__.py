"""What the descriptions show of each type: one well-chosen value, in one small world."""
