// Check a receipt in a browser or in Node ≥ 20, with nothing but WebCrypto: the signature under the head, and the way
// from the entry's bytes to the head's root (RFC 9162 §2.1.3.2). No server is asked.
//
//   node check-receipt.mjs VKEY RECEIPT.tlog-proof ENTRY

const subtle = globalThis.crypto?.subtle
// A page that did not come by https has no WebCrypto: it brings another (page.mjs).
export const use = {
  sha256: async (bytes) => new Uint8Array(await subtle.digest('SHA-256', bytes)),
  verify: async (key, signature, text) => subtle.verify('Ed25519', await subtle.importKey('raw', key, 'Ed25519', false, ['verify']), signature, text)
}
const utf8 = new TextEncoder()
const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]))
const hash = (...parts) => use.sha256(join(...parts))
const equal = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at])

// vkey: name+key id+base64(type ‖ public key). Throws what is wrong; returns the head's origin, size and root.
async function openHead (vkey, note) {
  const [name, id, ...rest] = vkey.split('+')
  const key = bytes(rest.join('+'))
  const keyId = (await hash(utf8.encode(name + '\n'), key)).slice(0, 4)
  if (key[0] !== 1 || [...keyId].map((byte) => byte.toString(16).padStart(2, '0')).join('') !== id) throw new Error('not a vkey of a log')
  const end = note.lastIndexOf('\n\n')
  const text = note.slice(0, end + 1)
  let signed = false
  for (const line of note.slice(end + 2).split('\n')) {
    const [dash, signer, encoded] = line.split(' ')
    if (dash !== '—' || signer !== name || !equal(bytes(encoded).slice(0, 4), keyId)) continue
    signed = await use.verify(key.slice(1), bytes(encoded).slice(4), utf8.encode(text))
    if (!signed) throw new Error('the signature under the head does not verify')
  }
  const [origin, size, root] = text.split('\n')
  if (!signed || origin !== name) throw new Error('the head is not signed by this log')
  return { origin, size: BigInt(size), root: bytes(root) }
}

// The head under which the entry stands, its position from 1 and its leaf hash. Throws what is wrong.
export async function checkReceipt (vkey, receipt, entry) {
  const cut = receipt.indexOf('\n\n')
  const [first, ...lines] = receipt.slice(0, cut).split('\n')
  if (first !== 'c2sp.org/tlog-proof@v1') throw new Error('not a receipt')
  if (lines[0].startsWith('extra ')) lines.shift()
  const index = BigInt(lines.shift().replace(/^index /, ''))
  const head = await openHead(vkey, receipt.slice(cut + 2))
  if (index >= head.size) throw new Error('the head does not reach this entry')
  const leaf = await hash([0], entry)
  let node = leaf
  let fn = index
  let sn = head.size - 1n
  for (const sibling of lines.map(bytes)) {
    if (sn === 0n) throw new Error('the proof is too long')
    if (fn & 1n || fn === sn) {
      node = await hash([1], sibling, node)
      while (!(fn & 1n) && fn !== 0n) { fn >>= 1n; sn >>= 1n }
    } else node = await hash([1], node, sibling)
    fn >>= 1n
    sn >>= 1n
  }
  if (sn !== 0n || !equal(node, head.root)) throw new Error('the entry does not lead to the root')
  return { origin: head.origin, size: head.size, position: index + 1n, leaf }
}

if (globalThis.process?.argv[1]?.endsWith('check-receipt.mjs')) {
  const { readFileSync } = await import('node:fs')
  const [vkey, receipt, entry] = globalThis.process.argv.slice(2)
  try {
    const found = await checkReceipt(vkey, readFileSync(receipt, 'utf8'), new Uint8Array(readFileSync(entry)))
    console.log(`event ${found.position} is in the log of ${found.size}`)
  } catch (error) {
    console.error(error.message)
    globalThis.process.exitCode = 1
  }
}
