import io
import json
import sys

import confluent_kafka
import fastavro

brokers, topic, schema_file = sys.argv[1:]
with open(schema_file) as f:
    schema = fastavro.parse_schema(json.load(f))
mark = b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO"))

consumer = confluent_kafka.Consumer({
    "bootstrap.servers": brokers,
    "group.id": "audience-reader",
    "isolation.level": "read_committed",   # nothing of a transaction that was taken back
    "auto.offset.reset": "earliest",       # the whole list, then what changes
    "enable.auto.commit": False,
    "enable.partition.eof": True,
})
consumer.subscribe([topic])

members, partitions, ends = {}, len(consumer.list_topics(topic).topics[topic].partitions), set()
while True:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        if message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
            raise confluent_kafka.KafkaException(message.error())
        before = len(ends)
        ends.add(message.partition())
        if before < partitions == len(ends):
            for key in sorted(members):
                print("member", key, flush=True)
            print("that is the list", flush=True)
        continue
    person, _, audience = message.key().decode().rpartition("/")
    record = None
    if message.value() is not None:        # a tombstone: the person is forgotten
        assert message.value()[:10] == mark, "written with another schema: fetch it"
        record = fastavro.schemaless_reader(io.BytesIO(message.value()[10:]), schema)
    names = " ".join(i["namespace"] + ":" + i["value"] for i in record["identifiers"]) if record else ""
    if record and record["entered"]:
        members[f"{audience} {names}"] = person
    else:
        members = {k: p for k, p in members.items() if (k.partition(" ")[0], p) != (audience, person)}
    if len(ends) == partitions:
        print("entered" if record and record["entered"] else "left", audience, names, flush=True)
