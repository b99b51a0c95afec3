// Hear the events of a community from outside, with NATS's own client and what `chaoyangli subscribers add` wrote.
//
//     npm install && node subscribe.mjs nats://127.0.0.1:4222 city.json events.ndjson
//
// The work here is a line in a file; what was written down there is known by its id after a restart, too, and not
// written twice. An event is acknowledged once its work is done: what was under way when this died comes again, from
// where the server has it. Positions that are missing were other events'. Ignore fields you do not know.

import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { jetstream } from "@nats-io/jetstream";
import { connect, nkeyAuthenticator } from "@nats-io/transport-node";

const [url, credentials, file] = process.argv.slice(2);
const who = JSON.parse(readFileSync(credentials, "utf8"));
const journal = openSync(file, "a+");
const written = readFileSync(file);
ftruncateSync(journal, written.lastIndexOf("\n") + 1); // a line that was under way when this died
const lines = written.toString("utf8").split("\n").slice(0, -1);
const done = new Set(lines.map((line) => JSON.parse(line).id));

const connection = await connect({
  servers: url,
  authenticator: nkeyAuthenticator(new TextEncoder().encode(who.nats_seed)),
  inboxPrefix: who.nats_inbox_prefix,
  maxReconnectAttempts: -1,
});
const js = jetstream(connection, { apiPrefix: who.nats_api_prefix });

async function hear({ stream, durable }) {
  const consumer = await js.consumers.get(stream, durable);
  for await (const message of await consumer.consume({ max_messages: 100 })) {
    const event = message.json();
    if (!done.has(event.id)) {
      writeSync(journal, message.string() + "\n");
      fsyncSync(journal);
      done.add(event.id);
    }
    message.ack();
    console.log(event.source, event.position, event.type);
  }
}

process.once("SIGTERM", async () => {
  await connection.drain();
  closeSync(journal);
});
await Promise.all(who.nats_consumers.map(hear));
