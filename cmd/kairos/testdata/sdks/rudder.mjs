// Sends 1,000 mixed calls with RudderStack's SDK, unmodified.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'

const [host] = process.argv.slice(2)
const client = new RudderAnalytics('k1', { dataPlaneUrl: host, flushAt: 20, maxInternalQueueSize: 20000 })
for (let n = 0; n < 1000; n++) {
  const userId = `rudder-${n % 50}`
  switch (n % 4) {
    case 0: client.identify({ userId, traits: { email: `${userId}@example.org`, plan: 'pro' } }); break
    case 1: client.track({ userId, event: 'Order Completed', properties: { total: n / 4 } }); break
    case 2: client.page({ userId, name: 'Home' }); break
    case 3: client.track({ anonymousId: `anon-${userId}`, event: 'Viewed' }); break
  }
}
await client.flush()
