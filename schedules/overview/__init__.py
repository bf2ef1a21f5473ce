"""How everything stands, for the command line, the admin and the doctor alike. It reads, and changes nothing."""
