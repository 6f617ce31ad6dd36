"""The workflow of a code by SMS, and the entity of a phone number."""
