// The form of check.html: a receipt and its entry are read from files, from the symbols of a paper (the last line is the
// entry), or both from this site by the entry's number. A paper's own symbol leads here with #number.leafhash: what the
// site gives must then be that entry. Everything is checked here, in the browser.

import { checkReceipt, use } from './check-receipt.mjs'

if (!globalThis.crypto?.subtle) {
  const [ed, { sha256, sha512 }] = await Promise.all([import('./vendor/noble-ed25519.js'), import('./vendor/sha2.js')])
  ed.hashes.sha512 = sha512
  use.sha256 = async (bytes) => sha256(bytes)
  use.verify = async (key, signature, text) => ed.verify(signature, text, key)
}

const WHY = {
  'not a vkey of a log': '日志的公钥写得不对。整行复制，从名字到最后一个字符。',
  'not a receipt': '这不是一张存证回执。要选扩展名是 .tlog-proof 的文件。',
  'the signature under the head does not verify': '检查点上的签名对不上：回执被改过，或者公钥不是这本账的。',
  'the head is not signed by this log': '检查点不是这本账签的。',
  'the head does not reach this entry': '检查点还没有包含这笔分录。',
  'the proof is too long': '证明和检查点对不上：回执被改过。',
  'the entry does not lead to the root': '分录和回执对不上：分录被改过，或者不是这一笔。'
}
const form = document.querySelector('form')
const answer = document.querySelector('output')

function say (good, words) {
  answer.className = good ? 'good' : 'bad'
  answer.textContent = (good ? '✓ ' : '✗ ') + words
  answer.focus()
}

async function fromSite (number) {
  const [entry, receipt] = await Promise.all(['json', 'tlog-proof'].map((kind) => fetch(`entries/${number}.${kind}`)))
  if (!entry.ok || !receipt.ok) throw new Error(`公开的账里还没有第 ${number} 号分录。`)
  return [await receipt.text(), new Uint8Array(await entry.arrayBuffer())]
}

async function given () {
  const number = form.number.value.trim()
  const scanned = form.scanned.value.trim()
  const cut = scanned.lastIndexOf('\n') + 1
  if (scanned && !cut) throw new Error(WHY['not a receipt'])
  if (scanned) return [scanned.slice(0, cut), new TextEncoder().encode(scanned.slice(cut))]
  const [receipt, entry] = [form.receipt.files[0], form.entry.files[0]]
  if (receipt && entry) return [await receipt.text(), new Uint8Array(await entry.arrayBuffer())]
  if (receipt || entry) throw new Error('回执和分录两个文件都要选。')
  if (!/^[1-9][0-9]{0,9}$/.test(number)) throw new Error('写上分录号，比如 12；或者选两个文件。')
  return fromSite(number)
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

function yuan (postings) {
  const fen = (postings ?? []).filter((one) => one.unit === 'fen' && one.amount > 0).reduce((sum, one) => sum + one.amount, 0)
  return fen ? `，金额 ${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')} 元` : ''
}

const printed = /^#([1-9][0-9]{0,9})\.([0-9a-f]{64})$/.exec(globalThis.location.hash)
if (printed) form.number.value = printed[1]

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  try {
    const [receipt, entry] = await given()
    const found = await checkReceipt(form.vkey.value.trim(), receipt, entry)
    if (printed && printed[1] === form.number.value.trim() && printed[2] !== hex(found.leaf)) throw new Error('这笔分录和纸上印的散列不一样。')
    const told = JSON.parse(new TextDecoder().decode(entry)).data ?? {}
    const what = told.entry_no ? `第 ${told.entry_no} 号分录` : `第 ${found.position} 个事件`
    say(true, `${what}在这本账里${yuan(told.postings)}，位置 ${found.position}，检查点包含 ${found.size} 个事件。`)
  } catch (error) {
    say(false, WHY[error.message] ?? error.message)
  }
})
