// A Terraform provider for tuned models, as small and as quick as one can be: what `terraform plan` needs, and
// no more. It reads each model with one GET, as Terraform's protocol wants it. It cannot apply.
//
// Wherever there was a choice, it is what is quickest for Terraform: connections stay open, only the fields of
// the schema are decoded, a model that is as recorded is returned in the bytes in which it came, the schema may
// be cached, and a plan is what was proposed.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"
	"google.golang.org/grpc"
)

var fields = map[string]cty.Type{
	"id":            cty.String,
	"display_name":  cty.String,
	"description":   cty.String,
	"base_model":    cty.String,
	"temperature":   cty.Number,
	"epoch_count":   cty.Number,
	"batch_size":    cty.Number,
	"learning_rate": cty.Number,
	"data_digest":   cty.String,
}

var modelType = cty.Object(fields)

// What the service says of a model, as far as the schema has it. It never shows the data.
type liveModel struct {
	DisplayName *string      `json:"displayName"`
	Description *string      `json:"description"`
	BaseModel   *string      `json:"baseModel"`
	Temperature *json.Number `json:"temperature"`
	TuningTask  struct {
		Hyperparameters struct {
			EpochCount   *json.Number `json:"epochCount"`
			BatchSize    *json.Number `json:"batchSize"`
			LearningRate *json.Number `json:"learningRate"`
		} `json:"hyperparameters"`
	} `json:"tuningTask"`
}

func text(value *string) cty.Value {
	if value == nil {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(*value)
}

// A number as it is written: 0.7 is not the float next to it.
func number(value *json.Number) cty.Value {
	if value == nil {
		return cty.NullVal(cty.Number)
	}
	parsed, err := cty.ParseNumberVal(value.String())
	if err != nil {
		return cty.NullVal(cty.Number)
	}
	return parsed
}

type provider struct {
	url    string
	client *http.Client
}

// Returns nil if there is no such model.
func (p *provider) get(ctx context.Context, id string) (*liveModel, error) {
	request, err := http.NewRequestWithContext(ctx, "GET", p.url+"/v1beta/tunedModels/"+id, nil)
	if err != nil {
		return nil, err
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", request.URL, answer.Status)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	model := &liveModel{}
	return model, json.Unmarshal(body, model)
}

func (p *provider) read(ctx context.Context, recorded *Value) (*Value, error) {
	state, err := msgpack.Unmarshal(recorded.Msgpack, modelType)
	if err != nil {
		return nil, err
	}
	id := state.GetAttr("id")
	live, err := p.get(ctx, id.AsString())
	if err != nil {
		return nil, err
	}
	now := cty.NullVal(modelType)
	if live != nil {
		used := live.TuningTask.Hyperparameters
		now = cty.ObjectVal(map[string]cty.Value{
			"id":            id,
			"display_name":  text(live.DisplayName),
			"description":   text(live.Description),
			"base_model":    text(live.BaseModel),
			"temperature":   number(live.Temperature),
			"epoch_count":   number(used.EpochCount),
			"batch_size":    number(used.BatchSize),
			"learning_rate": number(used.LearningRate),
			"data_digest":   state.GetAttr("data_digest"),
		})
		if now.RawEquals(state) {
			return recorded, nil
		}
	}
	return encode(now)
}

func encode(value cty.Value) (*Value, error) {
	written, err := msgpack.Marshal(value, modelType)
	return &Value{Msgpack: written}, err
}

func answer(value *Value, err error) (*State, error) {
	if err != nil {
		return &State{Faults: []*Fault{{Severity: Fault_ERROR, Summary: err.Error()}}}, nil
	}
	return &State{Value: value}, nil
}

func (p *provider) GetProviderSchema(context.Context, *Nothing) (*Schemas, error) {
	block := &Block{}
	for name, kind := range fields {
		written, err := kind.MarshalJSON()
		if err != nil {
			return nil, err
		}
		block.Attributes = append(block.Attributes, &Attribute{Name: name, Type: written, Optional: true})
	}
	return &Schemas{
		Provider:  &Schema{Block: &Block{}},
		Resources: map[string]*Schema{"gemini_tuned_model": {Block: block}},
		Abilities: &Schemas_Abilities{SchemaMayBeCached: true},
	}, nil
}

func (p *provider) UpgradeResourceState(_ context.Context, recorded *RecordedState) (*State, error) {
	value, err := ctyjson.Unmarshal(recorded.Raw.Json, modelType)
	if err != nil {
		return answer(nil, err)
	}
	return answer(encode(value))
}

func (p *provider) ReadResource(ctx context.Context, request *CurrentState) (*State, error) {
	return answer(p.read(ctx, request.Current))
}

func (p *provider) PlanResourceChange(_ context.Context, request *ProposedState) (*State, error) {
	return answer(request.Proposed, nil)
}

func (p *provider) ValidateProviderConfig(context.Context, *Nothing) (*Nothing, error) {
	return &Nothing{}, nil
}

func (p *provider) ConfigureProvider(context.Context, *Nothing) (*Nothing, error) {
	return &Nothing{}, nil
}

func (p *provider) ValidateResourceConfig(context.Context, *Nothing) (*Nothing, error) {
	return &Nothing{}, nil
}

func (p *provider) StopProvider(context.Context, *Nothing) (*Nothing, error) {
	return &Nothing{}, nil
}

// How go-plugin is told what to serve.
type served struct {
	plugin.NetRPCUnsupportedPlugin
	provider *provider
}

func (s *served) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	RegisterProviderServer(server, s.provider)
	return nil
}

func (s *served) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (interface{}, error) {
	return nil, fmt.Errorf("this is a server")
}

func main() {
	// As many connections are kept as Terraform asks at a time, and more.
	transport := &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}
	one := &provider{url: os.Getenv("GOOGLE_GEMINI_BASE_URL"), client: &http.Client{Transport: transport}}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			MagicCookieKey:   "TF_PLUGIN_MAGIC_COOKIE",
			MagicCookieValue: "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
		},
		VersionedPlugins: map[int]plugin.PluginSet{6: {"provider": &served{provider: one}}},
		GRPCServer:       plugin.DefaultGRPCServer,
		Logger:           hclog.NewNullLogger(),
	})
}
