package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/weirhq/weir/internal/chart"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// A page is a view with what only HTML can show.
type page struct {
	view
	Style       template.CSS
	LevelChart  template.HTML
	MomentViews []picturedMoment
}

type picturedMoment struct {
	momentView
	Chart template.HTML
}

// html writes one file that needs no other. Its pictures are SVG in it, with what comes
// from outside escaped by package chart.
func (r *Report) html(w io.Writer) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("the page's template: %w", err)
	}
	p := page{view: r.view(), Style: template.CSS(pageCSS + chart.CSS)}
	p.LevelChart = template.HTML(chart.Levels(r.curve(), chart.Options{Title: "Share of refused attempts by level in flight", Desc: r.Verdict.Text}))
	for _, m := range p.view.MomentViews {
		p.MomentViews = append(p.MomentViews, picturedMoment{m, template.HTML(chart.Staircase(m.Course, chart.Options{
			Title: "What was in flight and queued", Desc: m.Text, Height: 240,
		}))})
	}
	return t.Execute(w, p)
}
