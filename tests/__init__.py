"""Everything that tests outlookfs; a package, so that its parts find one another by name."""
