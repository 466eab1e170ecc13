package doctor

import (
	"context"
	"fmt"
	"net/http"
)

// checkGateway looks whether the user's gateway runs and answers.
func checkGateway(ctx context.Context, m *Machine) Result {
	f := &m.found
	if f.gatewayErr != nil {
		return Result{
			Status: Wrong, Saw: f.gatewayErr.Error(),
			Means: "weir cannot tell where your gateway is, so tools that point at it may talk to nobody",
			Do:    "end what is left of it, then start it again with `weir serve`",
		}
	}
	if f.gateway == "" {
		r := Result{
			Status: Warn, Saw: "no gateway runs",
			Means: "a tool that is pointed at weir gets no connection",
			Do:    "`weir run -- TOOL` starts one when it is needed; `weir serve` or `weir service install` for tools that point at it by themselves",
		}
		if names := m.pointedAtWeir(); len(names) > 0 {
			r.Status = Wrong
			r.Means = and(names) + " " + verb(len(names), "points", "point") + " at weir for good, so every call fails until one runs"
		}
		return r
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.gateway+"/healthz", nil)
	if err == nil {
		var resp *http.Response
		if resp, err = m.client().Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("it answers %s", resp.Status)
			}
		}
	}
	if err != nil {
		return Result{
			Status: Wrong, Saw: fmt.Sprintf("the gateway at %s cannot be reached: %s", f.gateway, reason(err)),
			Means: "calls that are sent to it fail",
			Do:    "end it and start it again with `weir serve`",
		}
	}
	return Result{Status: OK, Saw: fmt.Sprintf("weir %s answers at %s", f.version, f.gateway)}
}

// pointedAtWeir names the tools whose settings lead to weir.
func (m *Machine) pointedAtWeir() []string {
	var names []string
	for i, t := range m.Tools {
		for _, s := range m.found.settings[i] {
			if s.Gateway {
				names = append(names, t.Title)
				break
			}
		}
	}
	return names
}
