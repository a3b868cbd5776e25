package specserve

import (
	"crypto/rand"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Who can answer, who is well, and whom to ask next.

// endpoint is one address; the group's lock guards what changes.
type endpoint struct {
	scheme, host string // host with its port
	name         string // host without it
	url          string
	pending      int
	failures     int
	restsUntil   time.Time
}

func parseEndpoint(text string) (*endpoint, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	to, err := url.Parse(text)
	if err != nil || to.Hostname() == "" || strings.Trim(to.Path, "/") != "" || to.RawQuery != "" || to.User != nil ||
		!strings.Contains(" http https grpc grpcs ", " "+to.Scheme+" ") {
		return nil, &UsageError{"'" + text + "' is none of http, https, grpc or grpcs://host:port"}
	}
	e := &endpoint{scheme: to.Scheme, name: to.Hostname()}
	port := either(to.Port(), map[bool]string{true: "443", false: "80"}[e.isTLS()])
	e.host = net.JoinHostPort(e.name, port)
	e.url = e.scheme + "://" + e.host
	return e, nil
}

func (e *endpoint) isTLS() bool { return strings.HasSuffix(e.scheme, "s") }

// http is the address for REST, whatever the scheme: a port speaks both protocols.
func (e *endpoint) http() string {
	if e.isTLS() {
		return "https://" + e.host
	}
	return "http://" + e.host
}

func (e *endpoint) isLoopback() bool {
	ip := net.ParseIP(e.name)
	return e.name == "localhost" || ip != nil && ip.IsLoopback()
}

// group is endpoints that are as good as each other: the instances of a model, or a fixed list.
// Of two well ones that are drawn at random the one with fewer calls under way is taken. One that
// failed rests, longer each time; when its rest is over, a single call tries it again.
type group struct {
	name    string
	found   bool // by the registry, so the list has to be refreshed
	refresh time.Duration

	mu                 sync.Mutex
	endpoints          []*endpoint
	refreshAt, askedAt time.Time
}

func newGroup(name string, urls []string) (*group, error) {
	g := &group{name: name}
	return g, g.replace(urls)
}

// wantsRefresh is true for one caller at a time: it then asks the registry.
func (g *group) wantsRefresh() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if !g.found || len(g.endpoints) > 0 && now.Sub(g.askedAt) < 100*time.Millisecond {
		return false
	}
	isWell := false
	for _, e := range g.endpoints {
		isWell = isWell || !e.restsUntil.After(now)
	}
	if isWell && now.Before(g.refreshAt) {
		return false
	}
	g.askedAt, g.refreshAt = now, now.Add(g.refresh)
	return true
}

// replace takes the registry's list; what is known of those that stay is kept.
func (g *group) replace(urls []string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	fresh := make([]*endpoint, 0, len(urls))
	for _, text := range urls {
		e, err := parseEndpoint(text)
		if err != nil {
			return err
		}
		for _, old := range g.endpoints {
			if old.url == e.url {
				e = old
			}
		}
		fresh = append(fresh, e)
	}
	g.endpoints = fresh
	return nil
}

func (g *group) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.endpoints)
}

func contains(list []*endpoint, e *endpoint) bool {
	for _, other := range list {
		if other == e {
			return true
		}
	}
	return false
}

// well lists who does not rest, without those to avoid.
func (g *group) wellLocked(now time.Time, avoid []*endpoint) []*endpoint {
	var well []*endpoint
	for _, e := range g.endpoints {
		if !e.restsUntil.After(now) && !contains(avoid, e) {
			well = append(well, e)
		}
	}
	return well
}

// choose picks the one to ask and counts a call on it; nil: there is none at all.
func (g *group) choose(tried []*endpoint) *endpoint {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	fresh := g.wellLocked(now, tried)
	if len(fresh) == 0 {
		fresh = g.wellLocked(now, nil)
	}
	var best *endpoint
	switch {
	case len(fresh) > 0:
		first := int(below(int64(len(fresh))))
		best = fresh[first]
		if len(fresh) > 1 {
			other := fresh[(first+1+int(below(int64(len(fresh)-1))))%len(fresh)]
			if other.pending < best.pending {
				best = other
			}
		}
	case len(g.endpoints) > 0: // all rest: the one that is first to be back
		best = g.endpoints[0]
		for _, e := range g.endpoints {
			if e.restsUntil.Before(best.restsUntil) {
				best = e
			}
		}
	default:
		return nil
	}
	if best.failures > 0 { // one call tries it, the others wait for that
		best.restsUntil = now.Add(rest(best.failures))
	}
	best.pending++
	return best
}

// hasOther tells whether somebody well is left who was not asked yet.
func (g *group) hasOther(tried []*endpoint) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.wellLocked(time.Now(), tried)) > 0
}

// done ends a call. One that succeeded shows that the endpoint is well; one that hurts, that it
// is not, and that the registry is to be asked before the next call.
func (g *group) done(e *endpoint, succeeded, hurts bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.pending--
	switch {
	case succeeded:
		e.failures, e.restsUntil = 0, time.Time{}
	case hurts:
		g.hurtLocked(e)
	}
}

// hurt notes that a stream showed that the endpoint is not well.
func (g *group) hurt(e *endpoint) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hurtLocked(e)
}

func (g *group) hurtLocked(e *endpoint) {
	e.failures++
	e.restsUntil = time.Now().Add(rest(e.failures))
	g.refreshAt = time.Time{}
}

func rest(failures int) time.Duration {
	if failures > 7 {
		return 30 * time.Second
	}
	return 250 * time.Millisecond << uint(failures-1)
}

// below is a random number from 0 to most - 1, another one in each process: math/rand is not
// seeded before Go 1.20.
func below(most int64) int64 {
	part, err := rand.Int(rand.Reader, big.NewInt(most))
	if err != nil {
		return 0
	}
	return part.Int64()
}
