package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/topologies"
)

// RightsError says what the user that we are may not do.
type RightsError struct{ Missing []topologies.ACL }

func (e *RightsError) Error() string {
	var b strings.Builder
	b.WriteString("Kafka does not allow our user what it needs:\n")
	for _, a := range e.Missing {
		fmt.Fprintf(&b, "  %s\n", a)
	}
	b.WriteString("Let an operator grant it: `kairos topology acls` lists what each role needs, with --grant it grants that")
	return b.String()
}

// Rights fails with a RightsError if our user may not do what acls say, as far
// as Kafka tells. What does not exist yet is not asked about.
func (c *Client) Rights(ctx context.Context, t *topologies.Topology, acls []topologies.ACL) error {
	allowed, err := c.allowed(ctx, t, acls)
	if err != nil {
		return fmt.Errorf("ask Kafka what we may do: %w", err)
	}
	var missing []topologies.ACL
	for _, a := range topologies.Together(acls) {
		for name, operations := range allowed[a.Resource] {
			if (name == a.Name || a.Prefixed && strings.HasPrefix(name, a.Name)) && !slices.Contains(operations, a.Operation) {
				missing = append(missing, a)
				break
			}
		}
	}
	if len(missing) > 0 {
		return &RightsError{missing}
	}
	return nil
}

// allowed is what we may do with each resource that exists.
func (c *Client) allowed(ctx context.Context, t *topologies.Topology, acls []topologies.ACL) (map[topologies.Resource]map[string][]topologies.Operation, error) {
	all := map[topologies.Resource]map[string][]topologies.Operation{
		topologies.OnTopic: {}, topologies.OnGroup: {}, topologies.OnTransactionalID: {}, topologies.OnCluster: {},
	}
	request := kmsg.NewPtrMetadataRequest()
	request.IncludeTopicAuthorizedOperations = true
	ask := func(name string) {
		one := kmsg.NewMetadataRequestTopic()
		one.Topic = &name
		request.Topics = append(request.Topics, one)
	}
	for _, topic := range t.Topics() {
		ask(topic.Name)
	}
	for _, a := range acls {
		if a.Resource == topologies.OnTopic && !a.Prefixed && !declares(t, a.Name) { // Kafka's own
			ask(a.Name)
		}
	}
	metadata, err := request.RequestWith(ctx, c.Client)
	if err != nil {
		return nil, err
	}
	for _, topic := range metadata.Topics {
		err := kerr.ErrorForCode(topic.ErrorCode)
		if topic.Topic != nil && (err == nil || errors.Is(err, kerr.TopicAuthorizationFailed)) {
			all[topologies.OnTopic][*topic.Topic] = operations(kadm.DecodeACLOperations(topic.AuthorizedOperations))
		}
	}
	if err := c.allowedGroups(ctx, t, acls, all[topologies.OnGroup]); err != nil {
		return nil, err
	}
	for _, a := range acls {
		switch a.Resource {
		case topologies.OnGroup:
			if a.Name == topologies.Everybodys {
				may, err := c.mayDescribeOthers(ctx)
				if err != nil {
					return nil, err
				}
				all[topologies.OnGroup][a.Name] = may
			}
		case topologies.OnCluster:
			cluster, err := c.allowedCluster(ctx)
			if err != nil {
				return nil, err
			}
			all[topologies.OnCluster][a.Name] = cluster
		case topologies.OnTransactionalID:
			id := a.Name
			if a.Prefixed {
				id += "check"
			}
			may, err := c.mayTransact(ctx, id)
			if err != nil {
				return nil, err
			}
			all[topologies.OnTransactionalID][id] = may
		}
	}
	return all, nil
}

// allowedGroups asks about the groups of both forms of a topology, and those that
// acls name. Kafka tells nothing of a group that nobody has joined yet, so it is
// tried: a sign of life of a member that does not exist does nothing, and needs
// the right to read.
func (c *Client) allowedGroups(ctx context.Context, t *topologies.Topology, acls []topologies.ACL, into map[string][]topologies.Operation) error {
	config := t.Config
	config.Chained = !config.Chained
	other, err := topologies.New(config)
	if err != nil {
		return err
	}
	var names []string
	for _, g := range slices.Concat(t.Groups, other.Groups) {
		names = append(names, g.Name)
	}
	for _, a := range acls {
		if a.Resource == topologies.OnGroup && !a.Prefixed && a.Name != topologies.Everybodys {
			names = append(names, a.Name)
		}
	}
	for _, name := range names {
		described, err := c.admin.DescribeGroups(ctx, name)
		switch {
		case errors.Is(errors.Join(err, described[name].Err), kerr.GroupAuthorizationFailed):
			into[name] = nil
			continue
		case err != nil && !passing(err):
			return err
		}
		request := kmsg.NewPtrHeartbeatRequest()
		request.Group, request.MemberID = name, "nobody"
		response, err := request.RequestWith(ctx, c.Client)
		switch {
		case err != nil && !passing(err):
			return err
		case err == nil && errors.Is(kerr.ErrorForCode(response.ErrorCode), kerr.GroupAuthorizationFailed):
			into[name] = []topologies.Operation{topologies.Describe}
		default:
			into[name] = []topologies.Operation{topologies.Describe, topologies.Read}
		}
	}
	return nil
}

// mayDescribeOthers asks about a group that is nobody's.
func (c *Client) mayDescribeOthers(ctx context.Context) ([]topologies.Operation, error) {
	const nobodys = "nobody-s-group-of-this-name"
	described, err := c.admin.DescribeGroups(ctx, nobodys)
	switch err := errors.Join(err, described[nobodys].Err); {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return nil, nil
	case err != nil && !passing(err) && !errors.Is(err, kerr.GroupIDNotFound):
		return nil, err
	}
	return []topologies.Operation{topologies.Describe}, nil
}

func declares(t *topologies.Topology, name string) bool {
	return slices.ContainsFunc(t.Topics(), func(topic topologies.Topic) bool { return topic.Name == name })
}

func (c *Client) allowedCluster(ctx context.Context) ([]topologies.Operation, error) {
	request := kmsg.NewPtrDescribeClusterRequest()
	request.IncludeClusterAuthorizedOperations = true
	response, err := request.RequestWith(ctx, c.Client)
	if err != nil {
		return nil, err
	}
	return operations(kadm.DecodeACLOperations(response.ClusterAuthorizedOperations)), nil
}

// mayTransact tries to end a transaction that does not exist, which does
// nothing, and needs the right to write.
func (c *Client) mayTransact(ctx context.Context, id string) ([]topologies.Operation, error) {
	request := kmsg.NewPtrEndTxnRequest()
	request.TransactionalID = id
	request.ProducerID, request.ProducerEpoch = -1, -1 // nobody's: the id may be somebody's who is at work
	response, err := request.RequestWith(ctx, c.Client)
	if errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
		return nil, nil
	}
	if err != nil && !passing(err) {
		return nil, err
	}
	if err == nil && errors.Is(kerr.ErrorForCode(response.ErrorCode), kerr.TransactionalIDAuthorizationFailed) {
		return nil, nil
	}
	return []topologies.Operation{topologies.Write}, nil
}

func operations(from []kadm.ACLOperation) []topologies.Operation {
	names := map[kadm.ACLOperation]topologies.Operation{
		kmsg.ACLOperationRead: topologies.Read, kmsg.ACLOperationWrite: topologies.Write, kmsg.ACLOperationCreate: topologies.Create, kmsg.ACLOperationAlter: topologies.Alter,
		kmsg.ACLOperationAlterConfigs: topologies.AlterConfigs, kmsg.ACLOperationDescribe: topologies.Describe,
		kmsg.ACLOperationDescribeConfigs: topologies.DescribeConfigs, kmsg.ACLOperationDelete: topologies.Delete,
		kmsg.ACLOperationClusterAction: topologies.ClusterAction,
	}
	var all []topologies.Operation
	for _, o := range from {
		if name, ok := names[o]; ok {
			all = append(all, name)
		}
	}
	return all
}

// Grant allows a user what acls say. Nothing is taken away.
func (c *Client) Grant(ctx context.Context, principal string, acls []topologies.ACL) error {
	for _, a := range topologies.Together(acls) {
		operation, err := kmsg.ParseACLOperation(string(a.Operation))
		if err != nil {
			return err
		}
		builder := kadm.NewACLs().Allow(principal).AllowHosts("*").Operations(operation).ResourcePatternType(kmsg.ACLResourcePatternTypeLiteral)
		if a.Prefixed {
			builder = builder.ResourcePatternType(kmsg.ACLResourcePatternTypePrefixed)
		}
		switch a.Resource {
		case topologies.OnTopic:
			builder = builder.Topics(a.Name)
		case topologies.OnGroup:
			builder = builder.Groups(a.Name)
		case topologies.OnTransactionalID:
			builder = builder.TransactionalIDs(a.Name)
		case topologies.OnCluster:
			builder = builder.Clusters()
		}
		created, err := c.admin.CreateACLs(ctx, builder)
		if err != nil {
			return fmt.Errorf("grant %s to %s: %w", a, principal, err)
		}
		for _, one := range created {
			if one.Err != nil {
				return fmt.Errorf("grant %s to %s: %w%s", a, principal, one.Err, detail(&one.ErrMessage))
			}
		}
	}
	return nil
}
