// The page at /weir/: it hears views from the gateway and shows them. Everything that
// comes from outside is set as text, never as markup; pictures are parsed as XML.

const $ = (id) => document.getElementById(id)
const token = document.querySelector('meta[name=weir-token]').content
const mostDone = 200

let view = null // the last one
let done = [] // requests that ended, the latest first
const opened = new Set() // ids of requests whose attempts are shown

// ---- the connection

const silence = 12_000 // ms without a word after which it counts as lost
let stream
let watchdog // connects again

function connect() {
  disconnect()
  if (document.hidden) {
    return
  }
  watchdog = setTimeout(again, silence)
  stream = new EventSource('/weir/api/events')
  stream.addEventListener('open', () => { done = [] }) // they come again
  stream.addEventListener('beat', alive)
  stream.addEventListener('view', (ev) => {
    alive()
    hear(JSON.parse(ev.data))
  })
  stream.addEventListener('error', () => {
    lost()
    if (stream.readyState === EventSource.CLOSED) {
      again()
    }
  })
}

// disconnect ends the stream. A browser has six connections to a gateway for all of its
// tabs together, so one that nobody sees keeps none.
function disconnect() {
  clearTimeout(watchdog)
  stream?.close()
}

// again connects anew, in a moment.
function again() {
  disconnect()
  lost()
  watchdog = setTimeout(connect, 2000)
}

function alive() {
  clearTimeout(watchdog)
  watchdog = setTimeout(again, silence)
  link('live', 'live')
}

function lost() {
  link('lost', view ? `connection lost at ${clock(new Date())}: what you see is old` : 'no connection to the gateway')
}

function link(state, text) {
  if ($('link').className === state) {
    return
  }
  $('link').className = state
  $('link').textContent = text
  document.body.classList.toggle('lost', state === 'lost')
  for (const button of document.querySelectorAll('main button[data-do]')) {
    button.disabled = state === 'lost'
  }
}

function hear(next) {
  if (view && view.started !== next.started) {
    location.reload() // another gateway, with another token
    return
  }
  tellChanges(view, next)
  done = next.done_requests.concat(done).slice(0, mostDone)
  const first = !view
  view = next
  if (first) {
    requestAnimationFrame(() => setTimeout(() => { render(); refresh() })) // the empty page is painted before
  } else if (!document.hidden) {
    requestAnimationFrame(render)
  }
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    disconnect()
    return
  }
  connect()
  if (view) {
    refresh()
  }
})

// tellChanges lets a screen reader say what has changed for good, not each number.
function tellChanges(before, now) {
  if (!before) {
    return
  }
  const was = new Map(before.lanes.map((l) => [l.lane, l]))
  for (const l of now.lanes) {
    const old = was.get(l.lane)
    const quiet = new Set(['idle', 'open'])
    if (old && old.state !== l.state && !(quiet.has(old.state) && quiet.has(l.state))) {
      $('say').textContent = `${l.model}: ${l.words}`
    } else if (old && old.limit !== l.limit) {
      $('say').textContent = `${l.model}: the limit is ${l.limit} now`
    }
  }
}

// ---- what is shown

function render() {
  const busiest = view.lanes[0]
  figure('running', view.running)
  figure('queued', view.queued)
  figure('retrying', view.retrying)
  figure('limit', busiest ? busiest.limit : '–')
  set($('words'), view.words)
  const notes = view.notes ?? []
  if ($('notes').children.length !== notes.length || notes.some((note, i) => $('notes').children[i].textContent !== note)) {
    $('notes').replaceChildren(...notes.map(note => make('p', '', note)))
  }
  set($('about'), `${view.listen} → ${view.upstream}`)
  set($('foot'), `weir ${view.version}, process ${view.pid}, since ${stamp(view.started)}. The same in a terminal: weir top`)
  document.title = `${view.running} running, ${view.queued} queued – weir`
  renderLanes()
  renderSessions()
  if (seen || ++skipped === 5) {
    renderRequests()
  }
}

function figure(id, n) {
  const at = $(id)
  if (set(at, String(n)) && at.dataset.shown) {
    at.classList.add('moved') // two paints; an animation would be thirty
    clearTimeout(at.moving)
    at.moving = setTimeout(() => at.classList.remove('moved'), 400)
  }
  at.dataset.shown = '1'
}

// set changes a text only if it is another one, which keeps selections and costs less.
function set(at, text) {
  if (at.textContent === text) {
    return false
  }
  at.textContent = text
  return true
}

// make returns an element with classes and a text.
function make(name, classes = '', text = '') {
  const at = document.createElement(name)
  if (classes) {
    at.className = classes
  }
  if (text) {
    at.textContent = text
  }
  return at
}

// keyed lets a list's elements follow its items, and keeps those that stay: focus and
// selection are not lost. What is gone goes first, and of those that change places the
// few are moved, not the many: a table's rows are dear.
function keyed(parent, items, keyOf, create, update) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null
  const keys = new Set(items.map(keyOf))
  const have = new Map()
  for (const child of [...parent.children]) {
    if (keys.has(child.key) && !have.has(child.key)) {
      have.set(child.key, child)
    } else {
      child.remove()
    }
  }
  let at = parent.firstElementChild
  for (const item of items) {
    const key = keyOf(item)
    let child = have.get(key)
    if (!child) {
      child = create(item)
      child.key = key
    } else if (child !== at) {
      at = leaveOut(at, child)
    }
    update(child, item)
    if (child === at) {
      at = at.nextElementSibling
    } else {
      parent.insertBefore(child, at)
    }
  }
  if (focused && (document.activeElement !== focused || focused.hidden)) { // it was moved, or it is gone
    const next = focused.hidden ? focused.nextElementSibling : focused
    const still = next.isConnected ? next : parent.closest('[tabindex]')
    still.focus({ preventScroll: true })
  }
}

// leaveOut takes out what stands just before an element, since it comes later, and
// returns where the list goes on.
function leaveOut(at, child) {
  const most = 20
  const between = []
  for (let next = at; next && between.length < most; next = next.nextElementSibling) {
    if (next === child) {
      between.forEach((other) => other.remove())
      return child
    }
    between.push(next)
  }
  return at
}

const stateNames = { idle: 'idle', open: 'open', paused: 'paused', held: 'paused by hand', closed: 'quota', flagged: 'flagged' }

function renderLanes() {
  keyed($('lanes'), view.lanes, (l) => l.lane, (l) => {
    const li = make('li')
    const name = make('div', 'name')
    name.append(make('span'), make('small'))
    const counts = make('div', 'counts')
    counts.append(make('span', 'tag'), make('span'))
    const words = make('details', 'words')
    words.append(make('summary'), make('p'))
    li.append(name, counts, words, make('div', 'buttons'))
    const buttons = li.lastElementChild
    buttons.append(action('', 'pause'), action('', 'limit'))
    buttons.children[0].addEventListener('click', () => pause(li.lane))
    buttons.children[1].addEventListener('click', () => fix(li.lane))
    return li
  }, (li, l) => {
    li.lane = l
    const [name, counts, words, buttons] = li.children
    set(name.children[0], l.model)
    set(name.children[1], l.account)
    set(counts.children[0], stateNames[l.state] ?? l.state)
    counts.children[0].className = `tag ${l.state}`
    set(counts.children[1], `${l.running} of ${l.limit} running · ${l.queued} queued`)
    set(words.children[0], l.words)
    set(words.children[1], l.why)
    const shut = l.state === 'held' || l.state === 'closed' || l.state === 'flagged'
    label(buttons.children[0], shut ? 'Resume' : 'Pause', l.model)
    label(buttons.children[1], l.fixed ? 'Free limit' : 'Fix limit', l.model)
  })
  set($('more-lanes'), more(view.more_lanes, 'model'))
  options($('lane'), 'all models', view.lanes.map((l) => [l.lane, l.model]))
  options($('f-lane'), 'any', view.lanes.map((l) => [l.lane, l.model]))
}

function action(text, what) {
  const button = make('button', '', text)
  button.type = 'button'
  button.dataset.do = what
  return button
}

function label(button, text, what) {
  set(button, text)
  button.setAttribute('aria-label', `${text}: ${what}`)
}

function more(n, what) { return n > 0 ? `and ${n} ${what}${n === 1 ? '' : 's'} more` : '' }

// options keeps a choice's options in step with what there is; what is chosen stays.
function options(select, none, pairs) {
  const names = new Map()
  for (const [, text] of pairs) {
    names.set(text, (names.get(text) ?? 0) + 1)
  }
  const wanted = pairs.map(([value, text]) => [value, names.get(text) > 1 ? value : text])
  if (select.value && !wanted.some(([value]) => value === select.value)) {
    wanted.push([select.value, select.selectedOptions[0].textContent])
  }
  const key = JSON.stringify(wanted)
  if (select.dataset.have === key) {
    return
  }
  select.dataset.have = key
  const chosen = select.value
  select.replaceChildren(new Option(none, ''), ...wanted.map(([value, text]) => new Option(text, value)))
  select.value = chosen
}

function renderSessions() {
  const body = $('sessions').tBodies[0]
  keyed(body, view.sessions, (s) => `${s.account} ${s.session}`, () => {
    const row = make('tr')
    const who = make('td', 'who')
    const button = action('', 'filter')
    button.className = 'flat'
    button.addEventListener('click', () => filterBy(row.session))
    who.append(make('span'), make('small'))
    who.firstChild.append(button)
    row.append(who)
    for (const classes of ['n', 'n', 'n opt', 'n', 'n', 'n opt']) {
      row.append(make('td', classes))
    }
    return row
  }, (row, s) => {
    row.session = s.session
    const [who, ...cells] = row.cells
    const name = s.who || s.session
    set(who.querySelector('button'), name)
    who.querySelector('button').setAttribute('aria-label', `Show the requests of ${name}`)
    set(who.querySelector('small'), s.who ? short(s.session, 40) : '')
    const texts = [s.running, s.queued, s.requests, span(s.waited_ns), `${Math.round(s.share * 100)} %`, s.longest_overlap]
    texts.forEach((text, i) => set(cells[i], String(text)))
  })
  empty(body, 7, view.sessions.length, 'no tool has called yet')
  set($('more-sessions'), more(view.more_sessions, 'session'))
}

function empty(body, columns, n, text) {
  const has = body.querySelector('tr.empty')
  if (n > 0) {
    has?.remove()
  } else if (!has) {
    const row = make('tr', 'empty')
    const cell = make('td', '', text)
    cell.colSpan = columns
    row.append(cell)
    body.append(row)
  }
}

function short(text, most) { return text.length > most ? `${text.slice(0, most - 1)}…` : text }

// ---- requests

const filters = { state: $('f-state'), lane: $('f-lane'), session: $('f-session'), verdict: $('f-verdict') }
for (const select of Object.values(filters)) {
  select.addEventListener('change', () => view && renderRequests())
}

// Rows that nobody sees cost as much as others, so they change less often while the
// table is out of sight, and there are more only as one scrolls.
let seen = true
let skipped = 0 // views that they have not followed
new IntersectionObserver((entries) => {
  seen = entries.at(-1).isIntersecting
  if (seen && skipped > 0) {
    renderRequests()
  }
}).observe($('requests').parentElement)

const someRows = 50
let mostRows = someRows
const box = $('requests').parentElement
box.addEventListener('scroll', () => {
  if (box.scrollTop + 2 * box.clientHeight > box.scrollHeight && $('requests').tBodies[0].rows.length >= mostRows) {
    mostRows += 2 * someRows
    renderRequests()
  }
})

function filterBy(session) {
  options(filters.session, 'any', [[session, session], ...sessionNames()])
  filters.session.value = session
  renderRequests()
  $('requests-h').scrollIntoView({ block: 'start' })
}

function sessionNames() {
  const all = new Map()
  for (const s of view.sessions) {
    all.set(s.session, s.who || s.session)
  }
  return [...all]
}

const kinds = { waiting: 'waiting', retrying: 'waiting', running: 'running', done: 'done' }

function renderRequests() {
  skipped = 0
  const all = [...view.waiting_requests, ...view.running_requests, ...done]
  options(filters.session, 'any', sessionNames())
  options(filters.verdict, 'any', [...new Set(all.map((r) => r.verdict).filter(Boolean))].sort().map((v) => [v, v]))
  const shown = all.filter((r) =>
    (!filters.state.value || kinds[r.state] === filters.state.value) &&
    (!filters.lane.value || r.lane === filters.lane.value) &&
    (!filters.session.value || r.session === filters.session.value) &&
    (!filters.verdict.value || r.verdict === filters.verdict.value || (r.attempts ?? []).some((a) => a.verdict === filters.verdict.value)))
  if (box.scrollTop === 0) {
    mostRows = someRows
  }
  const rows = shown.slice(0, mostRows).flatMap((r) => (opened.has(r.id) ? [{ r }, ...inner(r)] : [{ r }]))
  const body = $('requests').tBodies[0]
  keyed(body, rows, (row) => row.key ?? row.r.id, createRow, updateRow)
  empty(body, 10, rows.length, all.length ? 'none of that kind' : 'nothing has come yet')
  const hidden = [more(view.more_waiting, 'waiting request'), more(view.more_running, 'running request')].filter(Boolean)
  set($('more-requests'), hidden.join(', '))
}

// inner are the rows below an open request: what is known of it, and its attempts.
function inner(r) {
  const about = [
    `id ${r.id}`, `session ${r.session}`, r.tool && `tool ${r.tool}`, r.lane,
    r.in_flight && `${r.in_flight} in flight at its last start`, r.first_byte_ns && `first byte after ${span(r.first_byte_ns)}`,
    r.status && `status ${r.status}`, r.outcome && `outcome ${r.outcome}`, r.bytes && `${r.bytes} bytes`,
  ].filter(Boolean).join(' · ')
  return [{ key: `${r.id}/about`, text: about }, ...(r.attempts ?? []).map((a, i) => ({
    key: `${r.id}/${i}`,
    text: [
      `attempt ${i + 1}: ${clock(new Date(a.start), true)}`, a.end ? `for ${span((new Date(a.end) - new Date(a.start)) * 1e6)}` : 'goes on',
      `${a.in_flight} in flight`, a.verdict, a.code && `code ${a.code}`, a.provider_id && `provider's id ${a.provider_id}`,
    ].filter(Boolean).join(' · '),
  }))]
}

function createRow(item) {
  const row = make('tr')
  if (item.text !== undefined) {
    row.className = 'inner'
    row.append(make('td'))
    row.firstChild.colSpan = 10
    return row
  }
  for (const classes of ['', 'opt', '', 'who', 'opt', 'n', 'n', 'n opt', '', 'n']) {
    row.append(make('td', classes))
  }
  row.shown = []
  const last = row.cells[9]
  const open = action('', 'open')
  open.className = 'flat'
  open.addEventListener('click', () => {
    if (!opened.delete(row.request.id)) {
      opened.add(row.request.id)
    }
    renderRequests()
  })
  const stop = action('Cancel', 'cancel')
  stop.className = 'flat'
  stop.setAttribute('aria-label', `Cancel the request ${item.r.id}`)
  open.setAttribute('aria-label', `Attempts of the request ${item.r.id}`)
  stop.addEventListener('click', () => cancel(row.request))
  last.append(stop, open)
  return row
}

function updateRow(row, item) {
  if (item.text !== undefined) {
    set(row.cells[0], item.text)
    return
  }
  const r = item.r
  const isOpen = opened.has(r.id)
  if (row.request === r && row.isOpen === isOpen) {
    return // it has ended
  }
  if (row.request?.start !== r.start) {
    row.came = clock(new Date(r.start))
  }
  row.request = r
  const texts = [
    null, row.came, r.model, r.who || r.tool || short(r.session, 30), r.class,
    span(r.waited_ns), took(r), String(r.tries), verdict(r),
  ]
  texts.forEach((text, i) => {
    if (text !== null && row.shown[i] !== text) {
      row.shown[i] = text
      row.cells[i].textContent = text
    }
  })
  const state = r.place ? `${r.state === 'retrying' ? 'to be retried' : 'waiting'}, ${ordinal(r.place)}${r.estimate_ns ? `, in about ${span(r.estimate_ns)}` : ''}` : r.state
  if (row.shown[0] !== state) {
    row.shown[0] = state
    row.cells[0].replaceChildren(make('span', `tag ${r.state}`, state))
  }
  const [stop, open] = row.cells[9].children
  stop.hidden = !r.place
  if (row.isOpen === isOpen) {
    return
  }
  row.isOpen = isOpen
  set(open, isOpen ? '▾' : '▸')
  open.setAttribute('aria-expanded', String(isOpen))
}

function took(r) {
  const end = r.end ? new Date(r.end) : new Date(view.at)
  return r.place ? '' : span(Math.max(0, end - new Date(r.start)) * 1e6)
}

function verdict(r) {
  const name = r.verdict ? r.verdict + (r.code && r.verdict !== 'ok' ? ` (${r.code})` : '') : ''
  return r.outcome && r.outcome !== 'ok' && r.outcome !== r.verdict ? [name, r.outcome].filter(Boolean).join(' → ') : name
}

function ordinal(n) { return n === 1 ? 'next' : `${n - 1} before it` }

// ---- pictures

let period = '5m'
const every = { '5m': 2000, '1h': 10_000, '24h': 60_000 }
let past = null // the last answer
let fetching = 0
let timer
let chosen = '' // beginning of the column under the cross-hair; empty: none

for (const button of $('periods').children) {
  button.addEventListener('click', () => {
    period = button.dataset.period
    for (const other of $('periods').children) {
      other.setAttribute('aria-pressed', String(other === button))
    }
    chosen = ''
    refresh()
  })
}
$('lane').addEventListener('change', refresh)
addEventListener('resize', () => { clearTimeout(timer); timer = setTimeout(refresh, 200) })

async function refresh() {
  clearTimeout(timer)
  const mine = ++fetching
  if (view && !document.hidden && $('link').className !== 'lost') {
    const lane = $('lane').value || (view.lanes.length === 1 ? view.lanes[0].lane : '')
    const levels = lane || view.lanes[0]?.lane || ''
    const width = Math.round($('stairs').clientWidth / 20) * 20
    const narrow = Math.round($('levels-svg').clientWidth / 20) * 20
    try {
      const query = new URLSearchParams({ period, lane, levels, width, levels_width: narrow })
      const answer = await fetch(`/weir/api/history?${query}`)
      if (mine !== fetching) {
        return
      }
      if (answer.ok) {
        past = await answer.json()
        draw(view.lanes.find((l) => l.lane === levels))
      }
    } catch {
      // the stream says that the connection is lost
    }
  }
  if (mine === fetching) {
    timer = setTimeout(refresh, every[period])
  }
}

function draw(lane) {
  picture($('stairs-svg'), past.svg)
  showHair()
  if ($('stairs-table').open) {
    drawTable()
  }
  set($('verdict'), lane ? `${lane.model}: ${lane.verdict}` : '')
  picture($('levels-svg'), past.levels_svg)
  if ($('levels-table').open) {
    drawLevels()
  }
}

function picture(at, svg) {
  if (!svg || at.shown === svg) {
    return
  }
  at.shown = svg
  const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml')
  at.replaceChildren(document.adoptNode(parsed.documentElement))
}

$('stairs-table').addEventListener('toggle', () => past && drawTable())
$('levels-table').addEventListener('toggle', () => view && drawLevels())

function drawTable() {
  const rows = past.columns.toReversed().map((c) => [stamp(c.at), c.running, c.queued, c.limit || '–', c.refused])
  table($('stairs-table').lastElementChild, ['from', 'in flight', 'queued', 'limit', 'refused'], rows)
}

function drawLevels() {
  const lane = view.lanes.find((l) => l.lane === past?.levels) ?? view.lanes[0]
  const percent = (share) => `${(share * 100).toFixed(1)} %`
  const rows = (lane?.curve ?? []).map((l) => [l.level, l.accepted, l.refused, percent(l.refused / (l.accepted + l.refused)), `${percent(l.low)} to ${percent(l.high)}`])
  table($('levels-table').lastElementChild, ['level', 'accepted', 'refused', 'share refused', '95 % interval'], rows)
}

function table(at, names, rows) {
  const whole = make('table')
  const head = whole.createTHead().insertRow()
  for (const name of names) {
    const th = make('th', 'n', name)
    th.scope = 'col'
    head.append(th)
  }
  const body = whole.createTBody()
  for (const row of rows) {
    const tr = body.insertRow()
    for (const text of row) {
      tr.append(make('td', 'n', String(text)))
    }
  }
  at.replaceChildren(whole)
}

// ---- the cross-hair

function scale() {
  const svg = $('stairs-svg').firstElementChild
  if (!svg || !past?.columns.length) {
    return null
  }
  const unit = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width
  const { from, to, left, right } = svg.dataset
  const perMs = ((right - left) * unit) / (to - from)
  return { from: Number(from), to: Number(to), left: left * unit, perMs }
}

function pick(clientX) {
  const s = scale()
  if (!s) {
    return
  }
  const at = s.from + (clientX - $('stairs').getBoundingClientRect().left - s.left) / s.perMs
  const first = new Date(past.columns[0].at).getTime()
  choose(Math.floor((at - first) / (past.bucket_s * 1000)))
}

function choose(index) {
  chosen = past.columns[Math.min(Math.max(index, 0), past.columns.length - 1)].at
  showHair()
}

function showHair() {
  const s = scale()
  const column = past?.columns.find((c) => c.at === chosen)
  $('hair').hidden = !s || !column
  if (!s || !column) {
    return
  }
  const at = new Date(column.at).getTime() + past.bucket_s * 500
  $('hair').style.left = `${Math.max(s.left, s.left + (at - s.from) * s.perMs)}px`
  set($('reading'), [
    stamp(column.at), `${column.running} in flight`, `${column.queued} queued`,
    column.limit ? `limit ${column.limit}` : '', column.refused ? `${column.refused} refused` : 'nothing refused',
  ].filter(Boolean).join(' · '))
}

$('stairs').addEventListener('pointermove', (ev) => pick(ev.clientX))
$('stairs').addEventListener('pointerdown', (ev) => pick(ev.clientX))
$('stairs').addEventListener('keydown', (ev) => {
  if (!past?.columns.length) {
    return
  }
  const last = past.columns.length - 1
  const at = past.columns.findIndex((c) => c.at === chosen)
  const from = at < 0 ? last : at
  const to = { ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from - 20, PageDown: from + 20, Home: 0, End: last }[ev.key]
  if (to !== undefined) {
    ev.preventDefault()
    choose(to)
  }
})

// ---- what changes something

async function pause(l) {
  if (l.state === 'held' || l.state === 'closed' || l.state === 'flagged') {
    const whole = l.state === 'flagged' || l.account_held
    const why = l.state === 'held' ? 'What waits starts again.' : `weir has closed it (${l.words}). If that is not over, each request may be refused, and refusals can make it worse.`
    if (await ask(whole ? `Resume all models of ${l.account}?` : `Resume ${l.model}?`, why)) {
      await order('resume', { lane: whole ? l.account : l.lane })
    }
    return
  }
  if (await ask(`Pause ${l.model}?`, 'Nothing starts in it until you resume it. What runs goes on; what waits goes on waiting, and its tool may give up.')) {
    await order('pause', { lane: l.lane })
  }
}

async function fix(l) {
  if (l.fixed) {
    const what = l.account_fixed ? `all models of ${l.account} together` : l.model
    if (await ask(`Free the limit of ${what}?`, `It is fixed at ${l.fixed}. weir will find out again what the provider bears.`)) {
      await order('limit', { lane: l.account_fixed ? l.account : l.lane, limit: 0 })
    }
    return
  }
  const limit = await ask(`Fix the limit of ${l.model}?`, 'weir stops looking for the best one until you free it or the gateway starts anew. More than the provider bears is refused.', l.limit)
  if (limit) {
    await order('limit', { lane: l.lane, limit })
  }
}

async function cancel(r) {
  if (await ask('Cancel this request?', `It has waited ${span(r.waited_ns)}. ${r.who || r.tool || 'Its tool'} gets an error and its work may be lost.`)) {
    await order('cancel', { id: r.id })
  }
}

// ask returns whether the answer is yes, or with a number the one that was entered.
function ask(title, text, number) {
  $('ask-h').textContent = title
  $('ask-p').textContent = text
  $('ask-n').hidden = number === undefined
  $('ask-limit').disabled = number === undefined
  $('ask-limit').value = number ?? ''
  $('ask').returnValue = ''
  $('ask').showModal()
  if (number !== undefined) {
    $('ask-limit').select()
  }
  return new Promise((resolve) => {
    $('ask').addEventListener('close', () => {
      const yes = $('ask').returnValue === 'yes'
      resolve(number === undefined ? yes : yes && Number($('ask-limit').value))
    }, { once: true })
  })
}

$('ask-no').addEventListener('click', () => $('ask').close('no'))

async function order(what, body) {
  try {
    const answer = await fetch(`/weir/api/${what}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Weir-Token': token }, body: JSON.stringify(body),
    })
    if (!answer.ok) {
      const { error } = await answer.json()
      toast(error ?? answer.statusText)
    }
  } catch {
    toast('The gateway could not be reached: nothing has changed.')
  }
}

let toasting
function toast(text) {
  $('toast').textContent = text
  $('toast').hidden = false
  clearTimeout(toasting)
  toasting = setTimeout(() => { $('toast').hidden = true }, 6000)
}

// ---- how times are written

// A format is dear to make, so it is kept.
const toSecond = { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }
const seconds = new Intl.DateTimeFormat([], toSecond)
const millis = new Intl.DateTimeFormat([], { ...toSecond, fractionalSecondDigits: 3 })

function clock(date, exact) { return (exact ? millis : seconds).format(date) }

function stamp(text) {
  const date = new Date(text)
  const today = date.toDateString() === new Date().toDateString()
  return today ? clock(date) : `${date.toLocaleDateString([], { day: 'numeric', month: 'short' })} ${clock(date)}`
}

// span writes a length of time, given in nanoseconds.
function span(ns) {
  const s = (ns ?? 0) / 1e9
  if (s === 0) {
    return '0'
  }
  if (s < 0.9995) {
    return `${Math.max(1, Math.round(s * 1000))} ms`
  }
  if (s < 59.95) {
    return `${s < 9.95 ? s.toFixed(1) : Math.round(s)} s`
  }
  if (s < 3600) {
    return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`
  }
  return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`
}

connect()
