"""The workflow of a code sent by SMS or e-mail, and the entity of a phone number."""
