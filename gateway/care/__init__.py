"""What the house and a family have to do with each other beside the readings: messages, visits, documents, invitations."""
