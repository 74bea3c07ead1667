// Sends 1,000 mixed calls with the official SDK, unmodified.
import { Analytics } from '@segment/analytics-node'

const [host] = process.argv.slice(2)
const analytics = new Analytics({ writeKey: 'k1', host, flushAt: 20 })
analytics.on('error', (e) => { console.error(e); process.exitCode = 1 })
for (let n = 0; n < 1000; n++) {
  const userId = `node-${n % 50}`
  switch (n % 6) {
    case 0: analytics.identify({ userId, traits: { email: `${userId}@example.org`, plan: 'pro', seats: n } }); break
    case 1: analytics.track({ userId, event: 'Order Completed', properties: { total: n / 4, products: [{ sku: 'a' }] } }); break
    case 2: analytics.page({ userId, name: 'Home', properties: { path: '/' } }); break
    case 3: analytics.screen({ userId, name: 'Cart' }); break
    case 4: analytics.group({ userId, groupId: `g${n % 5}`, traits: { size: 3 } }); break
    case 5: analytics.track({ anonymousId: `anon-${userId}`, event: 'Viewed' }); break
  }
}
await analytics.closeAndFlush({ timeout: 60000 })
