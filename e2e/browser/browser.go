// Package browser drives the Chromium of the machine for the tests of weir's page and
// for the pictures of it in the documentation.
package browser

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A Look is how a page is looked at.
type Look struct {
	Width, Height int64   // of the window, in CSS pixels
	Dark          bool    // the user wants dark pages
	Scale         float64 // device pixels a CSS pixel; zero: 1
}

// The looks that are worth a picture.
var (
	Wide     = Look{Width: 1440, Height: 900}
	WideDark = Look{Width: 1440, Height: 900, Dark: true}
	Phone    = Look{Width: 390, Height: 844, Scale: 2}
)

// Open starts a browser and returns the context of its first tab, for chromedp's
// actions. The browser ends with the function that comes back.
func Open(ctx context.Context) (context.Context, func(), error) {
	path, err := find()
	if err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	ctx, endBrowser := chromedp.NewExecAllocator(ctx, options...)
	ctx, endTab := chromedp.NewContext(ctx)
	end := func() { endTab(); endBrowser() }
	if err := chromedp.Do(ctx); err != nil {
		end()
		return nil, nil, fmt.Errorf("browser: %s does not start: %w", path, err)
	}
	return ctx, end, nil
}

func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("browser: no Chromium is installed (apt-get install chromium): %w", exec.ErrNotFound)
}

// As lets the page be looked at in a certain way.
func As(l Look) chromedp.Action[chromedp.Void] {
	scheme := "light"
	if l.Dark {
		scheme = "dark"
	}
	return chromedp.Steps(
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}),
		chromedp.EmulateViewport(l.Width, l.Height, chromedp.EmulateScale(max(l.Scale, 1))),
	)
}
