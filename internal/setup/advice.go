package setup

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/provider"
)

// Advice says what to add by hand for a tool whose file is not changed. settings
// are its base URLs now, as far as they are known.
func (o *Order) Advice(settings []endpoint.Setting) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s's configuration is not changed by weir. Change it yourself:\n\n", o.Tool.Title)
	moved := 0
	for _, s := range settings {
		switch {
		case s.Gateway:
			fmt.Fprintf(&b, "  %s: leads to weir already (%s)\n", s.Name, s.Source)
			moved++
		case s.Profile != "" && o.Tool.Name == "codex" && s.Name == "provider openai":
			fmt.Fprintf(&b, "  provider openai (now at %s): in ~/.codex/config.toml, above the first [section],\n    openai_base_url = \"%s\"\n", redact(s.URL), o.Gateway.Base(s.Profile, s.Path))
			moved++
		case s.Profile != "":
			fmt.Fprintf(&b, "  %s (%s): from %s to\n    %s\n", s.Name, s.Source, redact(s.URL), o.Gateway.Base(s.Profile, s.Path))
			moved++
		}
	}
	if o.Upstream == nil && moved == 0 {
		return "", refuse("where %s sends its calls is not known to weir: say where they shall go with --upstream NAME", o.Tool.Title)
	}
	if o.Upstream == nil {
		return b.String(), nil
	}
	if moved > 0 {
		b.WriteString("\n")
	}
	switch o.Tool.Name {
	case "codex":
		url, err := o.upstreamBase(provider.Responses)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, `  to ~/.codex/config.toml, with the name of the variable that has your key:

    model_provider = "weir"

    [model_providers.weir]
    name = "%s through weir"
    base_url = "%s"
    env_key = "YOUR_KEY_VARIABLE"
    wire_api = "responses"
`, o.Upstream.Name, url)
	case "cline":
		url, err := o.upstreamBase(provider.OpenAI)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "  sign in once more, with your own key and model:\n\n    cline auth -p openai -k KEY -m MODEL -b %s\n", url)
	default:
		for _, v := range []struct {
			name    string
			dialect provider.Dialect
		}{{"OPENAI_BASE_URL", provider.OpenAI}, {"ANTHROPIC_BASE_URL", provider.Anthropic}} {
			if url, err := o.upstreamBase(v.dialect); err == nil {
				fmt.Fprintf(&b, "  export %s=%s\n", v.name, url)
			}
		}
	}
	return b.String(), nil
}

// Describe says in one line where a base URL leads.
func Describe(s endpoint.Setting) string {
	to := redact(s.URL)
	whose := s.Profile
	switch {
	case s.URL == "":
		to, whose = "not set", ""
	case whose == "":
		whose = "of no provider that weir knows"
	}
	through := "not through weir"
	if s.Gateway {
		through = "through weir"
		if s.Profile == "" {
			whose = ""
		}
	}
	if whose != "" {
		through = whose + ", " + through
	}
	return fmt.Sprintf("%s → %s (%s)", s.Name, to, through)
}
