"""The platform's own daily tables about itself: what ran, what audits said, what was late, what broke."""
