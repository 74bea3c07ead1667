"""Sends 1,000 mixed calls with the official SDK, unmodified."""
import sys

import segment.analytics as analytics

analytics.write_key = "k1"
analytics.host = sys.argv[1]
analytics.on_error = lambda error, items: sys.exit(f"{error}: {len(items)} calls")
for n in range(1000):
    user = f"python-{n % 50}"
    match n % 5:
        case 0: analytics.identify(user, {"email": f"{user}@example.org", "plan": "pro"})
        case 1: analytics.track(user, "Order Completed", {"total": n / 4})
        case 2: analytics.page(user, "shop", "Home", {"path": "/"})
        case 3: analytics.group(user, f"g{n % 5}", {"size": 3})
        case 4: analytics.track(anonymous_id=f"anon-{user}", event="Viewed")
analytics.shutdown()
