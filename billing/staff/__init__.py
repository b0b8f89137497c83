"""What the staff's pages of all apps are made of; decides nothing about money or cars."""
