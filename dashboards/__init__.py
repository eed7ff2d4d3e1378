"""What people see: script-free pages, the front end and the words of both."""
