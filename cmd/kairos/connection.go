package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/access"
	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/topologies"
)

// connection says where Kafka is and how to show it who we are.
type connection struct {
	Brokers      []string `group:"Kafka" default:"127.0.0.1:9092" placeholder:"HOST:PORT" help:"Kafka brokers to start from (${default})."`
	TLS          bool     `group:"Kafka" name:"tls" help:"Speak TLS."`
	TLSCA        string   `group:"Kafka" name:"tls-ca" placeholder:"FILE" help:"Certificates of the authorities that sign brokers', PEM. Without: those that the system trusts."`
	TLSCert      string   `group:"Kafka" name:"tls-cert" placeholder:"FILE" help:"Our own certificate, PEM; read anew for each connection."`
	TLSKey       string   `group:"Kafka" name:"tls-key" placeholder:"FILE" help:"Its key, PEM."`
	TLSName      string   `group:"Kafka" name:"tls-name" placeholder:"NAME" help:"Name that brokers' certificates must have. Without: that in their address."`
	SASL         string   `group:"Kafka" name:"sasl" placeholder:"MECHANISM" help:"plain, scram-sha-256, scram-sha-512 or oauthbearer. Without: none."`
	SASLUser     string   `group:"Kafka" name:"sasl-user" placeholder:"NAME" help:"Who we are."`
	SASLPassword string   `group:"Kafka" name:"sasl-password" placeholder:"FROM" help:"Where the password is kept, file:PATH or env:NAME; read anew for each connection."`
	SASLToken    string   `group:"Kafka" name:"sasl-token" placeholder:"FROM" help:"Where a bearer token is kept, file:PATH or env:NAME; read anew for each connection."`
	SASLTokenURL string   `group:"Kafka" name:"sasl-token-url" placeholder:"URL" help:"Endpoint that gives bearer tokens for user and password (OAuth 2.0 client credentials)."`
	SASLScope    string   `group:"Kafka" name:"sasl-scope" placeholder:"SCOPE" help:"To ask of it."`
}

func (c connection) access() access.Config {
	return access.Config{
		Brokers: c.Brokers, TLS: c.TLS, CA: c.TLSCA, Cert: c.TLSCert, Key: c.TLSKey, ServerName: c.TLSName,
		SASL: c.SASL, User: c.SASLUser, Password: c.SASLPassword, Token: c.SASLToken, TokenURL: c.SASLTokenURL, Scope: c.SASLScope,
	}
}

// connect reaches Kafka; p remembers how, so that it can ask why it is refused.
func (c connection) connect(p *process, options ...kgo.Opt) (*cluster.Client, error) {
	how := c.access()
	if err := how.Validate(); err != nil {
		return nil, askedError{err}
	}
	p.kafka = &how
	return cluster.Open(p, how, options...)
}

// size says how large the topology is. What is 0 is as the cluster has it, or
// the default.
type size struct {
	Partitions  int32 `group:"Topology" placeholder:"N" help:"Partitions of every keyed topic (what the cluster has, or 4). Another number later: kairos topology grow."`
	Replication int16 `group:"Topology" placeholder:"N" help:"Replicas of every partition (what the cluster has, or 1); 3 in production."`
	Unchained   bool  `group:"Topology" help:"One consumer group for each stage, instead of one for all that are keyed by person."`
}

// topology builds the topology, with the destinations that are named.
func (s size) topology(destinations []string) (*topologies.Topology, error) {
	config := topologies.DefaultConfig()
	config.Chained, config.Destinations = !s.Unchained, destinations
	if s.Partitions != 0 {
		config.Partitions = s.Partitions
	}
	if s.Replication != 0 {
		config.Replication = s.Replication
	}
	t, err := topologies.New(config)
	if err != nil {
		return nil, askedError{err}
	}
	return t, nil
}

// mayBe fails if our user may not do what a role does, or what acls say.
func (s size) mayBe(ctx context.Context, client *cluster.Client, role string, acls ...topologies.ACL) error {
	t, err := s.topology(nil)
	if err != nil {
		return err
	}
	return client.Rights(ctx, t, append(t.ACLs(role), acls...))
}

// following is on for processes that live through growths: what the cluster
// has grown to counts, whatever they were started with.
func (s size) following(ctx context.Context, client *cluster.Client, destinations ...string) (*topologies.Topology, error) {
	grown, err := client.Growth(ctx)
	if err != nil {
		return nil, err
	}
	if grown != nil {
		s.Partitions = grown.Partitions
	}
	return s.on(ctx, client, destinations...)
}

// on builds the topology of a cluster: of the size that it has, or that s
// says, with the destinations that are published and those named.
func (s size) on(ctx context.Context, client *cluster.Client, destinations ...string) (*topologies.Topology, error) {
	partitions, replication, err := client.Size(ctx)
	if err != nil {
		return nil, err
	}
	if s.Partitions == 0 {
		s.Partitions = partitions
	}
	if s.Replication == 0 {
		s.Replication = replication
	}
	published, err := catalog.Read(ctx, client)
	if err != nil {
		return nil, err
	}
	return s.topology(append(destinations, published.Names("destination")...))
}
