package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weirhq/weir/e2e/browser"
)

// A tab is a page in a real browser. Whatever the page complains of on its console,
// such as something that its policy forbids, fails the test.
type tab struct {
	ctx context.Context
	mu  sync.Mutex // guards the field below
	bad []string
}

func openTab(t *testing.T, url string) *tab {
	t.Helper()
	ctx, end, err := browser.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	p := &tab{ctx: ctx}
	t.Cleanup(func() {
		if t.Failed() {
			p.picture(t, "failed.png")
		}
		end()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, text := range p.bad {
			t.Errorf("the page complains: %s", text)
		}
	})
	err = chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			p.complain(ev.ExceptionDetails.Text + " " + ev.ExceptionDetails.URL)
		case *runtime.EventConsoleAPICalled:
			p.complain(fmt.Sprint(ev.Type, ev.Args))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	p.do(t, browser.As(browser.Wide), chromedp.Navigate(url))
	return p
}

func (p *tab) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad = append(p.bad, text)
}

func (p *tab) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// asks evaluates an expression in the page.
func asks[T any](t *testing.T, p *tab, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// becomes waits until an expression is true in the page.
func (p *tab) becomes(t *testing.T, what, expression string) {
	t.Helper()
	eventually(t, what, func() bool {
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		defer cancel()
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && holds // it may just be loaded anew
	})
}

// click clicks the first element of a selector that is to be seen, as a user does.
func (p *tab) click(t *testing.T, selector string) {
	t.Helper()
	at := chromedp.CSS(selector)
	p.do(t, chromedp.WaitVisible(at), chromedp.Click(at))
}

func (p *tab) picture(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Logf("no picture: %v", err)
		return
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name), png, 0o644); err != nil {
		t.Error(err)
	}
}

// keepAsking lets sessions send calls, one after the other, until the test ends.
func keepAsking(t *testing.T, g *gateway, prompt string, sessions int) {
	t.Helper()
	client := newPlainClient(t)
	ctx, stop := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	t.Cleanup(func() { stop(); asking.Wait() })
	classes := [...]string{"interactive", "subagent", "background"}
	for i := range sessions {
		asking.Go(func() {
			for ctx.Err() == nil {
				_, _ = post(ctx, client, g.url, prompt, "X-Weir-Session", "session-"+strconv.Itoa(i), "X-Weir-Class", classes[i%3]) // what the page shows counts
			}
		})
	}
}

func TestThePageShowsWhatGoesOn(t *testing.T) {
	t.Parallel()
	s := startSimulator(t, 2, "page.json")
	g := startGateway(t, s, "--limit", "2")
	keepAsking(t, g, "Count the kestrels", 6)
	p := openTab(t, g.url+"/weir/")
	p.becomes(t, "it is live", `document.querySelector('#link').className === 'live'`)
	p.becomes(t, "two run", `document.querySelector('#running').textContent === '2'`)
	p.becomes(t, "some wait", `Number(document.querySelector('#queued').textContent) >= 2`)
	p.becomes(t, "what waits has its place", `[...document.querySelectorAll('#requests tbody tr')].some((r) => r.textContent.startsWith('waiting, next'))`)
	p.becomes(t, "what has ended is listed", `document.querySelectorAll('#requests .tag.done').length > 3`)
	p.becomes(t, "how long it takes is estimated", `/in about/.test(document.querySelector('#requests').textContent)`)
	p.becomes(t, "the sessions are listed", `document.querySelectorAll('#sessions tbody tr').length >= 6`)
	p.becomes(t, "there is a picture", `document.querySelector('#stairs-svg svg .run-edge')`)
	p.becomes(t, "and the level curve", `document.querySelector('#levels-svg svg .bar')`)
	keptSecret(t, "the page", []byte(asks[string](t, p, "document.documentElement.outerHTML")))

	t.Run("a request opens to its attempts", func(t *testing.T) {
		p.do(t, chromedp.SetValue(chromedp.CSS("#f-state"), "done"))
		asks[bool](t, p, `document.querySelector('#f-state').dispatchEvent(new Event('change'))`)
		p.becomes(t, "only what has ended is listed", `!document.querySelector('#requests .tag.waiting, #requests .tag.running')`)
		p.click(t, "#requests tbody tr button[data-do=open]")
		p.becomes(t, "the attempt is to be seen", `/attempt 1: .* in flight · ok/.test(document.querySelector('#requests tr.inner:nth-of-type(3), #requests tr.inner + tr.inner').textContent)`)
		p.click(t, "#requests tbody tr button[aria-expanded=true]")
		p.becomes(t, "and closes", `!document.querySelector('#requests tr.inner')`)
		p.do(t, chromedp.SetValue(chromedp.CSS("#f-state"), ""))
		asks[bool](t, p, `document.querySelector('#f-state').dispatchEvent(new Event('change'))`)
	})
	t.Run("a session's name filters", func(t *testing.T) {
		p.click(t, "#sessions tbody tr button")
		p.becomes(t, "only its requests are listed", `document.querySelector('#f-session').value !== '' && document.querySelectorAll('#requests tbody tr').length > 0`)
		p.do(t, chromedp.SetValue(chromedp.CSS("#f-session"), ""))
		asks[bool](t, p, `document.querySelector('#f-session').dispatchEvent(new Event('change'))`)
	})
	t.Run("the arrow keys read the values", func(t *testing.T) {
		p.do(t, chromedp.Focus(chromedp.CSS("#stairs")), chromedp.KeyEvent(kb.ArrowLeft))
		p.becomes(t, "the values are read", `/\d+ in flight · \d+ queued · /.test(document.querySelector('#reading').textContent) && !document.querySelector('#hair').hidden`)
		before := asks[string](t, p, `document.querySelector('#hair').style.left`)
		p.do(t, chromedp.KeyEvent(kb.ArrowLeft))
		p.becomes(t, "the cross-hair moves", `document.querySelector('#hair').style.left !== `+strconv.Quote(before))
	})
	t.Run("the pointer does too", func(t *testing.T) {
		before := asks[string](t, p, `document.querySelector('#hair').style.left`)
		box := asks[[]float64](t, p, `(() => { const b = document.querySelector('#stairs').getBoundingClientRect(); return [b.right - 40, b.top + b.height / 2] })()`)
		p.do(t, chromedp.MouseEvent("mouseMoved", box[0], box[1]))
		p.becomes(t, "the cross-hair moves", `document.querySelector('#hair').style.left !== `+strconv.Quote(before))
	})
	t.Run("the numbers are there as tables", func(t *testing.T) {
		p.click(t, "#stairs-table summary")
		p.becomes(t, "a row a bucket", `document.querySelectorAll('#stairs-table tbody tr').length > 2`)
		p.click(t, "#levels-table summary")
		p.becomes(t, "a row a level", `document.querySelectorAll('#levels-table tbody tr').length >= 1`)
	})
	t.Run("periods and models can be chosen", func(t *testing.T) {
		for _, period := range []string{"1h", "24h", "5m"} {
			p.click(t, `#periods button[data-period="`+period+`"]`)
			p.becomes(t, period, `document.querySelector('#periods button[aria-pressed=true]').dataset.period === `+strconv.Quote(period)+` && document.querySelector('#stairs-svg svg .run-edge')`)
		}
	})
	for name, look := range map[string]browser.Look{"light": browser.Wide, "dark": browser.WideDark, "phone": browser.Phone} {
		t.Run("it is good to look at: "+name, func(t *testing.T) {
			p.do(t, browser.As(look))
			p.becomes(t, "nothing sticks out", `document.documentElement.scrollWidth <= document.documentElement.clientWidth`)
			p.picture(t, name+".png")
			accessible(t, p)
		})
	}
}

// accessible fails for what the engine axe finds wrong with the page as it is now.
func accessible(t *testing.T, p *tab) {
	t.Helper()
	engine, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	asks[bool](t, p, string(engine)+";true")
	found := asks[[]string](t, p, `axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) => v.id + ': ' + v.help + ': ' + v.nodes.map((n) => n.html + ' ' + n.failureSummary).join(' | ')))`)
	for _, f := range found {
		t.Errorf("not accessible: %s", f)
	}
}

func TestThePagesButtons(t *testing.T) {
	t.Parallel()
	s := startSimulator(t, 2, "page.json")
	g := startGateway(t, s, "--limit", "1")
	client := newPlainClient(t)
	answers := make(chan reply, 2)
	ctx, leave := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	t.Cleanup(func() { leave(); asking.Wait() })
	ask := func() {
		asking.Go(func() {
			r, err := post(ctx, client, g.url, "Count the kestrels slowly")
			if err == nil {
				answers <- r
			}
		})
	}
	ask()
	eventually(t, "one runs", func() bool { return g.shown(t).InFlight == 1 })
	ask()
	p := openTab(t, g.url+"/weir/")

	p.becomes(t, "one waits", `document.querySelector('#queued').textContent === '1'`)
	p.click(t, "#requests button[data-do=cancel]:not([hidden])")
	p.click(t, "#ask button[value=no]")
	p.becomes(t, "it asks first", `!document.querySelector('#ask').open && document.querySelector('#queued').textContent === '1'`)
	p.click(t, "#requests button[data-do=cancel]:not([hidden])")
	p.click(t, "#ask-yes")
	if r := <-answers; r.status != 400 || !strings.Contains(r.body, "cancelled by hand") {
		t.Errorf("the cancelled call got %d %s", r.status, r.body)
	}
	p.becomes(t, "nothing waits", `document.querySelector('#queued').textContent === '0'`)

	p.click(t, "#lanes button[data-do=pause]")
	p.click(t, "#ask-yes")
	p.becomes(t, "the model is paused", `document.querySelector('#lanes .tag').textContent === 'paused by hand' && /paused by hand/.test(document.querySelector('#words').textContent)`)
	p.click(t, "#lanes button[data-do=pause]")
	p.click(t, "#ask-yes")
	p.becomes(t, "it goes on", `document.querySelector('#lanes .tag').textContent === 'open'`)

	p.click(t, "#lanes button[data-do=limit]")
	p.do(t, chromedp.SetValue(chromedp.CSS("#ask-limit"), "2"))
	p.click(t, "#ask-yes")
	p.becomes(t, "the limit is fixed", `/2 is fixed by hand/.test(document.querySelector('#lanes .words').textContent)`)
	ask()
	eventually(t, "and holds", func() bool { return g.shown(t).InFlight == 2 })
	p.click(t, "#lanes button[data-do=limit]")
	p.click(t, "#ask-yes")
	p.becomes(t, "it is free again", `/fixed by configuration/.test(document.querySelector('#lanes .words').textContent)`)
}

func TestThePageSaysThatTheConnectionIsLost(t *testing.T) {
	t.Parallel()
	s := startSimulator(t, 1, "page.json")
	g := startGateway(t, s)
	if _, err := post(t.Context(), newPlainClient(t), g.url, "Count the kestrels"); err != nil {
		t.Fatal(err)
	}
	p := openTab(t, g.url+"/weir/")
	p.becomes(t, "it is live", `document.querySelector('#link').className === 'live' && document.querySelector('#lanes li')`)
	asks[bool](t, p, `window.before = true`)
	g.kill()
	p.becomes(t, "it says so", `/^connection lost/.test(document.querySelector('#link').textContent)`)
	p.becomes(t, "its buttons are off", `document.querySelector('#lanes button').disabled`)
	g.restart(t)
	p.becomes(t, "it is live again, with the new gateway's token", `document.querySelector('#link')?.className === 'live' && !window.before && document.querySelector('#lanes li')`)
	p.click(t, "#lanes button[data-do=pause]")
	p.click(t, "#ask-yes")
	p.becomes(t, "which is good", `document.querySelector('#lanes .tag').textContent === 'paused by hand'`)
}

func TestThePageShowsNamesAsText(t *testing.T) {
	t.Parallel()
	s := startSimulator(t, 1, "page.json")
	g := startGateway(t, s)
	name := `<img src=x onerror="window.broken=1"><b>glm</b>`
	if _, err := postModel(t.Context(), newPlainClient(t), g.url, name, "Count the kestrels", "X-Weir-Session", name); err != nil {
		t.Fatal(err)
	}
	p := openTab(t, g.url+"/weir/")
	p.becomes(t, "the model is named", `document.querySelector('#lanes .name span')?.textContent === `+strconv.Quote(name))
	p.becomes(t, "the picture too", `document.querySelector('#stairs-svg svg')`)
	if asks[bool](t, p, `window.broken === 1 || document.querySelector('main img, main b') !== null`) {
		t.Error("the name has become markup")
	}
}
