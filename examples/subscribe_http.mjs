// Follow a log over HTTP with plain Node (18 or newer), no packages: each event is one line of JSON on standard output.
//
//   FEED_KEY_FILE=feed.key node examples/subscribe_http.mjs http://127.0.0.1:8103/events last-id
//
// The file last-id says how far it came: stopped and started again, it goes on there. An event comes again only when the
// program stopped between its work and writing the file; its id tells it.

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const [url, place] = process.argv.slice(2);
const key = readFileSync(process.env.FEED_KEY_FILE, "utf8").trim();
const RETRY_MS = 3000;

/** Your work. */
function handle(event) {
  process.stdout.write(event + "\n");
}

function keep(id) {
  writeFileSync(`${place}.new`, id + "\n");
  renameSync(`${place}.new`, place);
}

async function* lines(body) {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const found = (rest + text).split("\n");
    rest = found.pop();
    yield* found;
  }
}

async function follow() {
  const headers = { Authorization: `Bearer ${key}`, Accept: "text/event-stream" };
  if (existsSync(place)) headers["Last-Event-ID"] = readFileSync(place, "utf8").trim();
  const answer = await fetch(url, { headers, redirect: "error" });
  if (!answer.ok) {
    const said = await answer.text();
    if (answer.status >= 500) return; // it starts, or too many listen
    process.stderr.write(said + "\n");
    process.exit(1);
  }
  let id = "";
  for await (const line of lines(answer.body)) {
    if (line.startsWith("id: ")) id = line.slice(4);
    else if (line.startsWith("data: ")) handle(line.slice(6));
    else if (line === "" && id !== "") keep(id);
  }
}

for (;;) {
  try {
    await follow();
  } catch (error) {
    process.stderr.write(`the feed broke off, trying again: ${error.message}\n`);
  }
  await pause(RETRY_MS);
}
