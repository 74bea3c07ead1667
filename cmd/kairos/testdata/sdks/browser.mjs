// Sends 1,000 mixed calls with the official browser SDK, unmodified, from pages
// in headless Chromium, and a beacon of each page that is left. Visitors reload
// and close their pages while calls are on their way: what is not answered then,
// the SDK sends again from the next page. It ends with its standard input.
import fs from 'node:fs'
import http from 'node:http'
import { chromium } from 'playwright-core'

const [collector] = process.argv.slice(2)
const bundle = fs.readFileSync('node_modules/@segment/analytics-next/dist/umd/standalone.js')

const calls = 200 // of each visitor
const batch = 8 // so that some are left over when a page is left
const visitors = [
  { name: 'standard', pages: 4, sends: {} },
  { name: 'restless', pages: 8, sends: {} },
  { name: 'early', pages: 4, sends: {}, early: 20 }, // calls that come before the SDK does
  { name: 'keepalive', pages: 4, sends: { deliveryStrategy: { config: { keepalive: true } } } },
  { name: 'batching', pages: 4, sends: { deliveryStrategy: { strategy: 'batching', config: { size: batch, timeout: 1000, keepalive: true } } } },
]

// A page of a shop, with what companies paste into theirs, told where kairos is.
const page = (visitor) => `<!doctype html><title>shop</title><script>
window.analytics = []
analytics._writeKey = 'k1'
analytics._cdn = ${JSON.stringify(collector)}
analytics._loadOptions = { integrations: { 'Segment.io': ${JSON.stringify({ apiHost: new URL(collector).host + '/v1', protocol: 'http', ...visitor.sends })} } }
for (const method of ['track', 'identify', 'page', 'screen', 'group', 'alias'])
  analytics[method] = function () { analytics.push([method, ...arguments]); return analytics }
const userId = 'browser-${visitor.name}'
function say(from, to) {
  for (let n = from; n < to; n++) switch (n % 6) {
    case 0: analytics.identify(userId, { email: userId + '@example.org', plan: 'pro', seats: n }); break
    case 1: analytics.track('Order Completed', { total: n / 4, products: [{ sku: 'a' }] }); break
    case 2: analytics.page('shop', 'Home', { path: '/' }); break
    case 3: analytics.screen('Cart'); break
    case 4: analytics.group('g' + n % 5, { size: 3 }); break
    case 5: analytics.alias(userId, 'before-${visitor.name}'); break
  }
}
let leaves = true
addEventListener('pagehide', () => leaves && navigator.sendBeacon(${JSON.stringify(collector + '/v1/t')}, JSON.stringify(
  { type: 'track', event: 'Left', userId, writeKey: 'k1', messageId: crypto.randomUUID() })))
</script><script async src="/standalone.js"></script>`

const shop = http.createServer((request, response) => {
  const visitor = visitors.find((v) => request.url === '/' + v.name)
  if (visitor) return response.setHeader('Content-Type', 'text/html').end(page(visitor))
  if (request.url === '/standalone.js') return response.setHeader('Content-Type', 'text/javascript').end(bundle)
  response.writeHead(204).end()
})
await new Promise((ready) => shop.listen(0, '127.0.0.1', ready))

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', // with a folder of its own for each run
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})

// The ids of the calls that the browser has been given to send, answered or not.
// What a page has not handed over by then, it takes with it: that is the SDK's.
function watch(context) {
  const given = new Set()
  context.on('request', (request) => {
    if (request.method() !== 'POST') return
    const body = JSON.parse(request.postData() ?? '{}')
    for (const call of body.batch ?? [body]) if (call.event !== 'Left') given.add(call.messageId)
  })
  return given
}

async function until(what, yes) {
  for (const deadline = Date.now() + 30_000; !yes(); await new Promise((again) => setTimeout(again, 5)))
    if (Date.now() > deadline) throw new Error(what)
}

async function visit(visitor) {
  const context = await browser.newContext()
  const given = watch(context)
  const loaded = (tab) => tab.waitForFunction(() => window.analytics.initialized)
  const open = async () => {
    const tab = await context.newPage()
    await tab.goto(`http://127.0.0.1:${shop.address().port}/${visitor.name}`)
    if (visitor.early && said === 0) await tab.evaluate((to) => say(0, to), said = visitor.early)
    await loaded(tab)
    return tab
  }
  let said = 0
  let tab = await open()
  for (let part = 1; part <= visitor.pages; part++) {
    const from = said, left = visitor.name === 'batching' ? (calls / visitor.pages) % batch : 0
    said = part * calls / visitor.pages
    await tab.evaluate(([from, to]) => say(from, to), [from, said])
    await until(`${visitor.name}: ${said} calls are given to the browser`, () => given.size >= said - part * left)
    await tab.evaluate(() => new Promise((turn) => setTimeout(turn))) // those that wait for a full batch are there too
    if (part % 2 === 1) {
      await tab.reload()
      await loaded(tab)
    } else {
      await tab.close({ runBeforeUnload: true })
      tab = await open()
    }
  }
  return tab
}

const last = await Promise.all(visitors.map(visit))
console.error('every page was visited')
await new Promise((told) => process.stdin.on('end', told).resume())
await Promise.all(last.map((tab) => tab.evaluate(() => { leaves = false })))
await browser.close()
shop.close()
