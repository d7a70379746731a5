"""One function a use case; its collaborators are arguments."""
