package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/weirhq/weir/internal/yamlfile"
	"github.com/weirhq/weir/limit"
)

// Show writes what the configuration says as a file would, without its secrets. Each
// value that is not said is left to the function that knows the default of a key; nil
// leaves the key out.
func (c *Config) Show(otherwise func(key string) any) ([]byte, error) {
	var all yaml.MapSlice
	add := func(key string, said bool, value any) {
		if !said {
			value = otherwise(key)
		}
		if value != nil {
			all = append(all, yaml.MapItem{Key: key, Value: value})
		}
	}
	add("listen", c.Listen != "", c.Listen)
	add("upstream", len(c.Upstreams) > 0, c.Upstreams)
	bounds := c.Limit
	bounds.Eager = 0
	add("limit", bounds != limit.Config{}, showLimit(bounds))
	add("eager", c.Limit.Eager != 0, fmt.Sprintf("%g%%", c.Limit.Eager*100))
	add("state", c.State != "", c.State)
	add("log_format", c.LogFormat != "", c.LogFormat)
	add("drain", c.Drain != nil, showDuration(c.Drain))
	add("allow_host", len(c.AllowHosts) > 0, c.AllowHosts)
	add("stall", c.Stall != 0, yamlfile.Brief(c.Stall))
	add("hold", c.Hold != Hold{} || len(c.ToolHold) > 0, c.showHold())
	add("providers", len(c.Providers) > 0, c.showProviders())
	add("lanes", len(c.Lanes) > 0, c.showLanes())
	add("keys", len(c.Keys) > 0, masked(c.Keys))
	add("tokens", len(c.Tokens) > 0, maskedAll(c.Tokens))
	add("classes", len(c.Classes) > 0, c.showClasses())
	add("max_queue", c.MaxQueue != 0, c.MaxQueue)
	add("max_bytes", c.MaxBytes != 0, c.MaxBytes)
	add("quota_status", c.QuotaStatus != 0, c.QuotaStatus)
	add("retention", c.Retention != Retention{}, c.showRetention())
	add("terms", c.TermsAgreed, "accepted")
	return yaml.Marshal(all)
}

// mask stands for a secret.
func mask(secret string) string { return fmt.Sprintf("(set, %d characters)", len(secret)) }

func masked(keys map[string]string) yaml.MapSlice {
	var all yaml.MapSlice
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		all = append(all, yaml.MapItem{Key: name, Value: mask(keys[name])})
	}
	return all
}

func maskedAll(tokens []string) []string {
	var all []string
	for _, t := range tokens {
		all = append(all, mask(t))
	}
	return all
}

func showLimit(c limit.Config) any {
	switch {
	case c.Min == 0 && c.Max == 0 && c.Start == 0:
		return "auto"
	case c.Min == c.Max:
		return c.Min
	}
	return items(item{"min", c.Min}, item{"max", c.Max}, item{"start", c.Start})
}

func showDuration(d *time.Duration) string {
	if d == nil {
		return ""
	}
	return yamlfile.Brief(*d)
}

func (c *Config) showHold() yaml.MapSlice {
	all := showHold(c.Hold)
	if len(c.ToolHold) > 0 {
		var tools yaml.MapSlice
		for _, name := range slices.Sorted(maps.Keys(c.ToolHold)) {
			tools = append(tools, yaml.MapItem{Key: name, Value: showHold(c.ToolHold[name])})
		}
		all = append(all, yaml.MapItem{Key: "tools", Value: tools})
	}
	return all
}

func showHold(h Hold) yaml.MapSlice {
	return items(item{"silent", h.Silent}, item{"stream", h.Stream}, item{"plain", h.Plain})
}

func (c *Config) showProviders() yaml.MapSlice {
	var all yaml.MapSlice
	for _, p := range c.Providers {
		bases := map[string]string{}
		for d, base := range p.Bases {
			bases[string(d)] = base
		}
		all = append(all, yaml.MapItem{Key: p.Name, Value: items(item{"bases", bases}, item{"limit_max", p.LimitMax}, item{"lane_scope", string(p.LaneScope)}, item{"rules", ruleCount(len(p.Rules))})})
	}
	return all
}

func ruleCount(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("(%d)", n)
}

func (c *Config) showLanes() []yaml.MapSlice {
	var all []yaml.MapSlice
	for _, l := range c.Lanes {
		all = append(all, items(item{"provider", l.Provider}, item{"model", l.Model}, item{"limit", showLimit(l.Limit)}))
	}
	return all
}

func (c *Config) showClasses() []yaml.MapSlice {
	var all []yaml.MapSlice
	for _, r := range c.Classes {
		all = append(all, items(item{"user_agent", r.Agent}, item{"model", r.Model}, item{"path", r.Path}, item{"headers", r.Headers}, item{"class", r.Class.String()}))
	}
	return all
}

func (c *Config) showRetention() yaml.MapSlice {
	return items(item{"age", c.Retention.Age}, item{"size", int(c.Retention.Size)})
}

// item is a key and its value.
type item struct {
	key   string
	value any
}

// items are those that are said.
func items(all ...item) yaml.MapSlice {
	said := yaml.MapSlice{}
	for _, i := range all {
		switch v := i.value.(type) {
		case string:
			if v == "" {
				continue
			}
		case int:
			if v == 0 {
				continue
			}
		case time.Duration:
			if v == 0 {
				continue
			}
			i.value = yamlfile.Brief(v)
		case map[string]string:
			if len(v) == 0 {
				continue
			}
		}
		said = append(said, yaml.MapItem{Key: i.key, Value: i.value})
	}
	return said
}
