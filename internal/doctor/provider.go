package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/endpoint"
)

// checkDNS looks whether a provider's name has an address.
func checkDNS(ctx context.Context, m *Machine, s *site) Result {
	host := s.url.Hostname()
	if _, err := netip.ParseAddr(host); err == nil || endpoint.IsLoopback(host) {
		return Result{Status: OK, Saw: host + " needs no name server"}
	}
	if s.proxy != nil {
		return Result{Status: Skipped, Saw: fmt.Sprintf("the proxy %s looks %s up", s.proxy.Host, host)}
	}
	addrs, err := s.resolve(ctx, m)
	if err != nil || len(addrs) == 0 {
		why := "its name has no address"
		if err != nil {
			why = reason(err)
		}
		return Result{
			Status: Wrong, Saw: fmt.Sprintf("%s cannot be found: %s", host, why),
			Means: "no call to it can succeed",
			Do:    "check the network and the name servers of this machine (a VPN, a container without DNS?)",
		}
	}
	var texts []string
	for _, a := range addrs {
		texts = append(texts, a.String())
	}
	const enough = 4
	if len(texts) > enough {
		texts = append(texts[:enough], fmt.Sprintf("%d more", len(addrs)-enough))
	}
	return Result{Status: OK, Saw: host + " is " + strings.Join(texts, ", ")}
}

// checkTLS looks whether a provider can be reached and proves who it is.
func checkTLS(ctx context.Context, m *Machine, s *site) Result {
	if r, ok := s.unreachable(ctx, m); ok {
		return r
	}
	resp, err := s.ask(ctx, m)
	if err == nil {
		if resp.TLS == nil {
			return Result{Status: OK, Saw: "plain HTTP, nothing to verify; it answers"}
		}
		return Result{Status: OK, Saw: describeTLS(resp.TLS)}
	}
	var cert *tls.CertificateVerificationError
	if !errors.As(err, &cert) {
		return Result{
			Status: Wrong, Saw: fmt.Sprintf("%s cannot be reached: %s", s.url.Host, reason(err)),
			Means: "no call to it can succeed",
			Do:    "check the network, a firewall, or a proxy that has to be set (HTTPS_PROXY)",
		}
	}
	return judgeCertificate(s, cert)
}

// judgeCertificate tells the common causes of a certificate that does not verify
// apart.
func judgeCertificate(s *site, err *tls.CertificateVerificationError) Result {
	r := Result{
		Status: Wrong, Saw: "the certificate of " + s.url.Host + " does not verify",
		Means: "something on the way answers in its place, and weir sends it nothing",
		Do:    "if it is your company's proxy, install its root certificate on this machine (or name it in SSL_CERT_FILE)",
	}
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired:
		r.Saw += ": it is not valid at this machine's time"
		r.Means = "the clock of this machine is wrong, or the certificate has run out"
		r.Do = "set the clock (turn on its synchronisation), then look again"
	case errors.As(err.Err, &name):
		r.Saw += ": it is for another name"
	default:
		r.Saw += ": who signed it is not known here"
	}
	if len(err.UnverifiedCertificates) > 0 {
		r.Saw += fmt.Sprintf(" (by %q)", issuer(err.UnverifiedCertificates[0]))
	}
	return r
}

func describeTLS(c *tls.ConnectionState) string {
	text := tls.VersionName(c.Version)
	if len(c.PeerCertificates) > 0 {
		cert := c.PeerCertificates[0]
		text += fmt.Sprintf(", certificate by %q, good until %s", issuer(cert), cert.NotAfter.Format(time.DateOnly))
	}
	return text
}

// issuer names who signed a certificate.
func issuer(c *x509.Certificate) string {
	if c.Issuer.CommonName != "" {
		return c.Issuer.CommonName
	}
	return strings.Join(c.Issuer.Organization, ", ")
}

// Skews between this machine and a provider. Below the first, the way of the answer
// and whole seconds in its date are all there is to it.
const (
	skewWrong = time.Minute
	skewWorse = 5 * time.Minute
)

// checkClock holds the machine's clock against a provider's.
func checkClock(ctx context.Context, m *Machine, s *site) Result {
	if r, ok := s.unreachable(ctx, m); ok {
		return r
	}
	resp, err := s.ask(ctx, m)
	if err != nil {
		return Result{Status: Skipped, Saw: fmt.Sprintf("%s gives no time: %s", s.url.Host, reason(err))}
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return Result{Status: Skipped, Saw: s.url.Host + " says no date"}
	}
	// The date was written at some moment between the two.
	middle := resp.sent.Add(resp.came.Sub(resp.sent) / 2)
	skew := middle.Sub(date)
	saw := fmt.Sprintf("the clock is %s that of %s", against(skew), s.url.Host)
	switch {
	case skew.Abs() <= skewWrong:
		return Result{Status: OK, Saw: saw}
	case skew.Abs() <= skewWorse:
		return Result{
			Status: Wrong, Saw: saw,
			Means: "times at which a quota comes back are read wrongly by that much",
			Do:    "turn on the clock's synchronisation (timedatectl set-ntp true, or the system's settings)",
		}
	default:
		return Result{
			Status: Wrong, Saw: saw,
			Means: "times at which a quota comes back are read wrongly: weir asks too early or stays closed too long, and certificates may fail",
			Do:    "set the clock now, and turn on its synchronisation (timedatectl set-ntp true, or the system's settings)",
		}
	}
}

// against says how far this machine's clock is off.
func against(skew time.Duration) string {
	d := skew.Round(time.Second)
	switch {
	case d == 0:
		return "within a second of"
	case d > 0:
		return fmt.Sprintf("%v ahead of", d)
	default:
		return fmt.Sprintf("%v behind", -d)
	}
}

// unreachable says that a host has no address, so that one cause is not told three
// times.
func (s *site) unreachable(ctx context.Context, m *Machine) (Result, bool) {
	if s.proxy != nil || endpoint.IsLoopback(s.url.Hostname()) {
		return Result{}, false
	}
	if _, err := s.resolve(ctx, m); err != nil {
		return Result{Status: Skipped, Saw: fmt.Sprintf("%s has no address (see dns %s)", s.url.Hostname(), s.url.Hostname())}, true
	}
	return Result{}, false
}
