"""SMS by Twilio: sending codes, and the webhooks that Twilio calls."""
