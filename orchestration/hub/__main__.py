import sys

from orchestration.hub.command import main

sys.exit(main())
