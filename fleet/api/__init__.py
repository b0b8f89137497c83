"""HTTP for cars: problem documents, the check's protocol, and the calls beside it."""
