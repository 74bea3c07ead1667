import fs from 'node:fs'
import avro from 'avsc'
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'

kafkajs.CompressionCodecs[kafkajs.CompressionTypes.Snappy] = snappy
const [brokers, topic, schemaFile] = process.argv.slice(2)
const type = avro.Type.forSchema(JSON.parse(fs.readFileSync(schemaFile)))
const kafka = new kafkajs.Kafka({ clientId: 'audience-reader', brokers: brokers.split(','), logLevel: kafkajs.logLevel.ERROR })

const admin = kafka.admin()
await admin.connect()
const offsets = await admin.fetchTopicOffsets(topic)
await admin.disconnect()
const ends = new Map(offsets.filter(o => o.high !== o.low).map(o => [o.partition, BigInt(o.high)]))

const members = new Map()
let listed = false
const list = () => {
  listed = true
  for (const key of [...members.keys()].sort()) console.log('member', key)
  console.log('that is the list')
}

const consumer = kafka.consumer({ groupId: 'audience-reader-node', readUncommitted: false, maxWaitTimeInMs: 500 })
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
await consumer.run({
  autoCommit: false,
  eachBatch: async ({ batch }) => {
    for (const message of batch.messages) take(message)
    if (BigInt(batch.lastOffset()) + 1n >= (ends.get(batch.partition) ?? 0n)) ends.delete(batch.partition)
    if (!listed && ends.size === 0) list()
  },
})
if (ends.size === 0) list()

function take(message) {
  const key = message.key.toString(), audience = key.slice(key.lastIndexOf('/') + 1), person = key.slice(0, key.lastIndexOf('/'))
  let record = null
  if (message.value !== null) { // null: the person is forgotten
    if (message.value.readUInt16BE(0) !== 0xc301) throw new Error('not single-object encoded')
    record = type.fromBuffer(message.value.subarray(10))
  }
  const names = (record?.identifiers ?? []).map(i => `${i.namespace}:${i.value}`).join(' ')
  if (record?.entered) members.set(`${audience} ${names}`, person)
  else for (const [k, p] of members) if (p === person && k.startsWith(audience + ' ')) members.delete(k)
  if (listed) console.log(record?.entered ? 'entered' : 'left', audience, names)
}
