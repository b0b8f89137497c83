"""A mailbox that receives every mail of the machine and shows it, instead of sending it on."""
