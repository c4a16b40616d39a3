"""What a run used of the machine and the outside, and what that costs."""
