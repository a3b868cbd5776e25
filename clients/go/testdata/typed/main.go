// Typed calls typed clients that specgen made, for tests/e2e/test_client_go.py:
//
//	typed solubility|sentences|steered URL INPUT...   one line of JSON for each input
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"specserve"
	"specserve/grpc"

	"typed/sentences"
	"typed/solubility"
	"typed/steered"
)

func show(result interface{}, err error) {
	var failure *specserve.APIError
	var usage *specserve.UsageError
	switch {
	case errors.As(err, &failure):
		result = map[string]interface{}{"code": failure.Code, "message": failure.Message}
	case errors.As(err, &usage):
		result = map[string]interface{}{"usage": usage.Message}
	case err != nil:
		panic(err)
	}
	text, err := json.Marshal(result)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func main() {
	client, err := specserve.New(specserve.WithEndpoints(os.Args[2]), grpc.Transport())
	if err != nil {
		panic(err)
	}
	defer client.Close()
	ctx := context.Background()
	solver, reader := solubility.New(client), sentences.New(client)
	for _, input := range os.Args[3:] {
		if os.Args[1] == "sentences" {
			show(reader.Predict(ctx, sentences.Inputs{Text: input}))
			continue
		}
		if os.Args[1] == "steered" {
			number, err := strconv.ParseFloat(input, 32)
			if err != nil {
				panic(err)
			}
			show(steered.New(client).Predict(ctx, steered.Inputs{X: []float32{float32(number)}}))
			continue
		}
		inputs := solubility.Inputs{Text: input}
		if input == "other property" {
			inputs.Property = specserve.Ptr("x")
		}
		show(solver.Predict(ctx, inputs))
	}
}
