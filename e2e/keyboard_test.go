package e2e

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// press presses keys, where the focus is.
func (p *tab) press(t *testing.T, keys ...string) {
	t.Helper()
	for _, k := range keys {
		p.do(t, chromedp.KeyEvent(k))
	}
}

// askSlowly sends calls that take long, one after the other, until the test ends. Each
// waits or runs before the next comes.
func askSlowly(t *testing.T, g *gateway, calls int) {
	t.Helper()
	client := newPlainClient(t)
	ctx, leave := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	t.Cleanup(func() { leave(); asking.Wait() })
	for n := range calls {
		asking.Go(func() { _, _ = post(ctx, client, g.url, "Count the kestrels slowly "+strconv.Itoa(n)) }) // what the page shows counts
		eventually(t, "the call is there", func() bool { s := g.shown(t); return s.InFlight+s.Queued == n+1 })
	}
}

func TestThePageByKeyboard(t *testing.T) {
	t.Parallel()
	s := startSimulator(t, 2, "page.json")
	g := startGateway(t, s, "--limit", "1")
	askSlowly(t, g, 5)
	p := openTab(t, g.url+"/weir/")
	waiting := `document.querySelectorAll('#requests button[data-do=cancel]:not([hidden])')`
	p.becomes(t, "four wait", waiting+`.length === 4`)

	t.Run("every button can be reached", func(t *testing.T) {
		asks[bool](t, p, `(document.activeElement.blur(), window.reached = new Set(), document.addEventListener('focusin', (ev) => window.reached.add(ev.target)), true)`)
		asks[bool](t, p, `(window.wanted = [...document.querySelectorAll('main button:not([hidden]), main select, main summary, #stairs')], true)`)
		for range asks[int](t, p, `document.querySelectorAll('a, button:not([hidden]), select, summary, [tabindex="0"]').length`) + 5 {
			p.press(t, kb.Tab)
		}
		if left := asks[string](t, p, `window.wanted.filter((e) => e.isConnected && !window.reached.has(e)).map((e) => e.outerHTML).join()`); left != "" {
			t.Errorf("not reached: %s", left)
		}
	})
	t.Run("what is believed opens", func(t *testing.T) {
		asks[bool](t, p, `(document.querySelector('#lanes summary').focus(), true)`)
		p.press(t, kb.Enter)
		p.becomes(t, "it is to be seen", `document.querySelector('#lanes .words p').checkVisibility() && document.querySelector('#lanes .words p').textContent !== ''`)
	})
	t.Run("Enter in the dialog means yes, and focus comes back", func(t *testing.T) {
		asks[bool](t, p, `(document.querySelector('#lanes button[data-do=limit]').focus(), true)`)
		p.press(t, kb.Enter)
		p.becomes(t, "it asks for the limit", `document.activeElement.id === 'ask-limit'`)
		p.press(t, kb.Delete, kb.Enter)
		p.becomes(t, "nothing is no limit", `document.querySelector('#ask').open`)
		p.press(t, "1", kb.Enter)
		p.becomes(t, "it is fixed", `/1 is fixed by hand/.test(document.querySelector('#lanes .words').textContent)`)
		p.becomes(t, "focus is back", `document.activeElement.dataset.do === 'limit'`)
		p.press(t, kb.Enter)
		p.becomes(t, "it asks", `document.querySelector('#ask').open && document.activeElement.value === 'no'`)
		p.press(t, kb.Escape)
		p.becomes(t, "focus is back again", `!document.querySelector('#ask').open && document.activeElement.dataset.do === 'limit'`)
	})
	t.Run("focus stays where it is when others go", func(t *testing.T) {
		asks[bool](t, p, `(window.last = [...`+waiting+`].at(-1), window.last.focus(), true)`)
		cancelled := asks[int](t, p, `fetch('/weir/api/cancel', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Weir-Token': document.querySelector('meta[name=weir-token]').content }, body: JSON.stringify({ id: `+waiting+`[0].closest('tr').request.id }) }).then((r) => r.status)`)
		if cancelled != 200 {
			t.Fatalf("cancelling: %d", cancelled)
		}
		p.becomes(t, "one has gone", waiting+`.length === 3`)
		if !asks[bool](t, p, `document.activeElement === window.last`) {
			t.Errorf("the focus is at %s", asks[string](t, p, `document.activeElement.outerHTML`))
		}
	})
	t.Run("focus stays in the row of what was cancelled", func(t *testing.T) {
		p.press(t, kb.Enter)
		p.becomes(t, "it asks", `document.activeElement.value === 'no'`)
		p.press(t, kb.Tab, kb.Enter)
		p.becomes(t, "it has gone", waiting+`.length === 2`)
		p.becomes(t, "focus is beside", `document.activeElement.dataset.do === 'open' && document.activeElement.closest('tr') === window.last.closest('tr')`)
	})
}
