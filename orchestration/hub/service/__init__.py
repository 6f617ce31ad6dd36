"""The remote calls that the hub serves: those of the SDK's protocol, and those of its clock."""
