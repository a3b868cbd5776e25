/*
 * Step image (preprocess): a PNG or JPEG to a tensor of floats.
 *
 *   input      image input: bytes over gRPC, base64 in JSON, also as a data: URI
 *   tensor     model input, float32 [1, 3, h, w], or [1, h, w, 3], or with one
 *              channel
 *   layout     NCHW, the default, or NHWC
 *   width, height  where the model does not say them
 *   resize     stretch (the default): to width x height;
 *              cover: the short side to `shortSide`, then the middle of it
 *   shortSide  with cover; the larger of width and height unless given
 *   colours    RGB (the default), BGR or grey
 *   scale, mean, std   y = (pixel x scale - mean) / std; scale is 1/255, mean 0
 *              and std 1 unless given, mean and std by channel as the tensor
 *              has them
 *   maxPixels  of the image as it comes; 16777216 unless given
 *
 * Resizing is that of image_resize(); cutting and rounding are as torchvision's
 * Resize and CenterCrop do it, grey is made as Pillow's "L".
 *
 *   errors  ERR_VALIDATION_ERROR: no base64, no image, broken, or too large;
 *           nothing is fetched: a URL is no image
 *           ERR_INPUT_TOO_LONG: more bytes than the input's maxBytes, or 16 MiB
 */
#include <math.h>
#include <string.h>

#include "base64.h"
#include "image.h"
#include "step.h"

enum { BYTES_MAX = 16 << 20, PIXELS_USUAL = 1 << 24 };

enum colours { COLOURS_RGB, COLOURS_BGR, COLOURS_GREY };

struct picture {
    const struct bundle_input *input;
    size_t tensor; /* model input */
    size_t width, height, channels;
    size_t short_side; /* 0 = stretch */
    struct image_limits limits;
    enum colours colours;
    bool channels_last;
    double scale, mean[IMAGE_CHANNELS], std[IMAGE_CHANNELS];
};

/* ---- parameters ---- */

/* Which of the NULL-ended words parameter `key` is; the first if absent. */
static bool choose(const struct step_build *build, const char *key,
                   const char *const *words, int *chosen, struct error *err)
{
    const struct doc_node *node = doc_get(build->step->parameters, key);
    const char *text = doc_string(node, "");

    *chosen = 0;
    if (!node)
        return true;
    for (int i = 0; words[i]; i++) {
        *chosen = i;
        if (strcmp(words[i], text) == 0)
            return true;
    }
    return step_fail(build, err, "parameter '%s' is '%s', which is not known",
                     key, text);
}

/* A whole number from 1 to `most`; 0 if absent. */
static bool read_size(const struct step_build *build, const char *key,
                      size_t most, size_t *size, struct error *err)
{
    const struct doc_node *node = doc_get(build->step->parameters, key);
    int64_t number = doc_integer(node, -1);

    *size = 0;
    if (!node)
        return true;
    if (number < 1 || (uint64_t)number > most)
        return step_fail(build, err, "parameter '%s' must be from 1 to %zu",
                         key, most);
    *size = (size_t)number;
    return true;
}

/* A number for each channel. */
static bool read_channels(const struct step_build *build, const char *key,
                          size_t channels, double *numbers, struct error *err)
{
    const struct doc_node *list = doc_get(build->step->parameters, key);

    if (!list)
        return true;
    if (list->type != DOC_LIST || doc_count(list) != channels)
        return step_fail(build, err, "parameter '%s' must have %zu numbers",
                         key, channels);
    for (size_t i = 0; i < channels; i++) {
        numbers[i] = doc_number(doc_item(list, i), (double)NAN);
        if (!isfinite(numbers[i]))
            return step_fail(build, err, "parameter '%s' must have %zu numbers",
                             key, channels);
    }
    return true;
}

static bool read_numbers(const struct step_build *build,
                         struct picture *picture, struct error *err)
{
    const struct doc_node *scale = doc_get(build->step->parameters, "scale");

    picture->scale = doc_number(scale, scale ? (double)NAN : 1.0 / 255.0);
    if (!isfinite(picture->scale))
        return step_fail(build, err, "parameter 'scale' is no number");
    for (size_t i = 0; i < IMAGE_CHANNELS; i++)
        picture->std[i] = 1.0;
    if (!read_channels(build, "mean", picture->channels, picture->mean, err) ||
        !read_channels(build, "std", picture->channels, picture->std, err))
        return false;
    for (size_t i = 0; i < IMAGE_CHANNELS; i++)
        if (!(fabs(picture->std[i]) > 0.0))
            return step_fail(build, err, "parameter 'std' has a zero");
    return true;
}

/* ---- the tensor ---- */

/* A size that the model or the parameters say; if both, they agree. */
static bool settle(const struct step_build *build, const char *key, int64_t dim,
                   size_t *size, struct error *err)
{
    if (!read_size(build, key, IMAGE_SIDE_MAX, size, err))
        return false;
    if (dim < 0)
        return *size > 0 ||
               step_fail(build, err,
                         "the model does not say it: parameter '%s' is needed",
                         key);
    if (*size > 0 && (int64_t)*size != dim)
        return step_fail(build, err,
                         "parameter '%s' is %zu, the model has %lld", key,
                         *size, (long long)dim);
    if (dim < 1 || dim > IMAGE_SIDE_MAX)
        return step_fail(build, err, "the model's %s is %lld", key,
                         (long long)dim);
    *size = (size_t)dim;
    return true;
}

static bool bind_tensor(struct step_build *build, struct picture *picture,
                        struct error *err)
{
    const struct eng_port *port;
    int rows = picture->channels_last ? 1 : 2;
    int64_t channels;

    if (!step_claim_port(build, "tensor", &picture->tensor, err))
        return false;
    port = eng_model_input(build->pipeline->model, picture->tensor);
    if (port->dtype != ENG_F32)
        return step_fail(build, err,
                         "the model's input '%s' is %s, expected float32",
                         port->name, eng_dtype_name(port->dtype));
    if (port->rank != 4 || port->dims[0] > 1)
        return step_fail(build, err,
                         "the model's input '%s' is not of one image with "
                         "four dimensions",
                         port->name);
    channels = port->dims[picture->channels_last ? 3 : 1];
    if (channels >= 0 && channels != (int64_t)picture->channels)
        return step_fail(build, err,
                         "the model's input '%s' has %lld channels, the image "
                         "has %zu",
                         port->name, (long long)channels, picture->channels);
    return settle(build, "height", port->dims[rows], &picture->height, err) &&
           settle(build, "width", port->dims[rows + 1], &picture->width, err);
}

static bool read_resize(const struct step_build *build, struct picture *picture,
                        struct error *err)
{
    static const char *const words[] = {"stretch", "cover", NULL};
    size_t larger =
        picture->width > picture->height ? picture->width : picture->height;
    size_t side;
    int chosen;

    if (!choose(build, "resize", words, &chosen, err) ||
        !read_size(build, "shortSide", IMAGE_SIDE_MAX, &side, err))
        return false;
    if (chosen == 0)
        return side == 0 ||
               step_fail(build, err, "'shortSide' belongs to resize: cover");
    picture->short_side = side > 0 ? side : larger;
    return picture->short_side >= larger ||
           step_fail(build, err, "shortSide %zu is less than %zu",
                     picture->short_side, larger);
}

static const struct bundle_input *image_input(const struct step_build *build,
                                              struct error *err)
{
    const char *name = step_param(build, "input", err);
    const struct bundle_input *input;

    if (!name)
        return NULL;
    input = bundle_find_input(build->pipeline->bundle, name);
    if (input && input->type == BUNDLE_IMAGE && input->required)
        return input;
    (void)step_fail(build, err,
                    "the signature has no required image input '%s'", name);
    return NULL;
}

static bool open_image(struct step_build *build, void **state,
                       struct error *err)
{
    static const char *const known[] = {
        "input",  "tensor",    "layout",  "width", "height",
        "resize", "shortSide", "colours", "scale", "mean",
        "std",    "maxPixels", NULL};
    static const char *const layouts[] = {"NCHW", "NHWC", NULL};
    static const char *const colours[] = {"RGB", "BGR", "grey", NULL};
    struct picture *picture =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*picture));
    int layout, colour;

    if (!picture)
        return call_no_memory(err);
    *state = picture;
    if (!step_params_known(build, known, err) ||
        !choose(build, "layout", layouts, &layout, err) ||
        !choose(build, "colours", colours, &colour, err) ||
        !read_size(build, "maxPixels", IMAGE_PIXELS_MAX,
                   &picture->limits.pixels_max, err))
        return false;
    picture->channels_last = layout == 1;
    picture->colours = (enum colours)colour;
    picture->channels = picture->colours == COLOURS_GREY ? 1 : IMAGE_CHANNELS;
    if (picture->limits.pixels_max == 0)
        picture->limits.pixels_max = PIXELS_USUAL;
    picture->input = image_input(build, err);
    return picture->input && bind_tensor(build, picture, err) &&
           read_resize(build, picture, err) &&
           read_numbers(build, picture, err);
}

/* ---- a request ---- */

struct bytes {
    const uint8_t *data;
    size_t size;
};

/* What follows "data:image/png;base64,"; the text itself if it is no such
 * URI. */
static const char *skip_scheme(const char *text)
{
    const char *comma = strchr(text, ',');

    if (strncmp(text, "data:", 5) != 0 || !comma || comma - text < 7 ||
        strncmp(comma - 7, ";base64", 7) != 0)
        return text;
    return comma + 1;
}

static bool too_long(const struct picture *picture, size_t size, size_t most,
                     struct error *err)
{
    return fail(err, ERR_INPUT_TOO_LONG,
                "input '%s' has %zu bytes, at most %zu are taken",
                picture->input->name, size, most);
}

static bool take_base64(const struct picture *picture,
                        struct pipeline_call *call, const char *text,
                        struct bytes *out, struct error *err)
{
    size_t size = strlen(text);
    uint8_t *data = arena_alloc(call->arena, base64_decoded_size(size));

    if (!data)
        return call_no_memory(err);
    out->data = data;
    return base64_decode(text, size, data, &out->size) ||
           fail(err, ERR_VALIDATION_ERROR, "data.%s is no base64",
                picture->input->name);
}

static bool take_bytes(const struct picture *picture,
                       struct pipeline_call *call, struct bytes *out,
                       struct error *err)
{
    const struct bundle_signature *signature =
        &call->pipeline->bundle->signature;
    const struct pipeline_value *value =
        call->inputs[picture->input - signature->inputs].value;
    size_t most = picture->input->max_bytes > 0
                      ? (size_t)picture->input->max_bytes
                      : BYTES_MAX;

    *out = (struct bytes){0};
    if (value->kind == PIPELINE_BYTES)
        *out = (struct bytes){value->bytes.data, value->bytes.size};
    else if (!take_base64(picture, call, skip_scheme(value->string), out, err))
        return false;
    return out->size <= most || too_long(picture, out->size, most, err);
}

/* The part of the resized image that goes in; [height, width] from x, y. */
struct view {
    struct image image;
    size_t x, y;
};

/* Half of it, rounded to the even number. */
static size_t half(size_t number)
{
    return (size_t)lrint((double)number / 2.0);
}

static bool fit(const struct picture *picture, struct pipeline_call *call,
                const struct image *from, struct view *view, struct error *err)
{
    size_t side = picture->short_side, width = side, height = side;

    *view = (struct view){0};
    if (side == 0)
        return image_resize(from, picture->width, picture->height,
                            call->scratch, &view->image, err);
    if (from->width > from->height)
        width = side * from->width / from->height;
    else
        height = side * from->height / from->width;
    if (width > IMAGE_SIDE_MAX || height > IMAGE_SIDE_MAX)
        return fail(err, ERR_VALIDATION_ERROR,
                    "the image is too long for its height or width");
    if (!image_resize(from, width, height, call->scratch, &view->image, err))
        return false;
    view->x = half(width - picture->width);
    view->y = half(height - picture->height);
    return true;
}

static uint8_t grey(const uint8_t *pixel)
{
    return (uint8_t)((pixel[0] * 19595U + pixel[1] * 38470U + pixel[2] * 7471U +
                      0x8000U) >>
                     16);
}

static void grey_all(struct image *image)
{
    for (size_t i = 0; i < image->width * image->height; i++)
        memset(image->pixels + IMAGE_CHANNELS * i,
               grey(image->pixels + IMAGE_CHANNELS * i), IMAGE_CHANNELS);
}

static void fill(const struct picture *picture, const struct view *view,
                 size_t channel, float *out)
{
    size_t place = picture->colours == COLOURS_BGR
                       ? IMAGE_CHANNELS - 1 - channel
                       : channel;
    size_t plane = picture->width * picture->height;
    size_t stride = picture->channels_last ? picture->channels : 1;
    float numbers[256];

    for (int i = 0; i < 256; i++)
        numbers[i] = (float)((i * picture->scale - picture->mean[channel]) /
                             picture->std[channel]);
    out += picture->channels_last ? channel : channel * plane;
    for (size_t y = 0; y < picture->height; y++) {
        const uint8_t *row =
            view->image.pixels +
            ((view->y + y) * view->image.width + view->x) * IMAGE_CHANNELS;

        for (size_t x = 0; x < picture->width; x++, out += stride)
            *out = numbers[row[x * IMAGE_CHANNELS + place]];
    }
}

static bool make_feed(const struct picture *picture, struct pipeline_call *call,
                      const struct view *view, struct error *err)
{
    int64_t width = (int64_t)picture->width, height = (int64_t)picture->height;
    int64_t channels = (int64_t)picture->channels;
    float *data = arena_zalloc(
        call->arena, picture->width * picture->height * picture->channels,
        sizeof(*data));

    if (!data)
        return call_no_memory(err);
    for (size_t channel = 0; channel < picture->channels; channel++)
        fill(picture, view, channel, data);
    call->feeds[picture->tensor] = (struct eng_tensor){
        .dtype = ENG_F32, .rank = 4, .data = data, .dims = {1}};
    for (int d = 1; d < 4; d++) {
        const int64_t first[] = {1, channels, height, width};
        const int64_t last[] = {1, height, width, channels};

        call->feeds[picture->tensor].dims[d] =
            picture->channels_last ? last[d] : first[d];
    }
    return true;
}

static bool apply_image(const void *state, struct pipeline_call *call,
                        struct error *err)
{
    const struct picture *picture = state;
    struct bytes bytes;
    struct image image;
    struct view view;

    if (!take_bytes(picture, call, &bytes, err))
        return false;
    arena_reset(call->scratch);
    if (!image_decode(bytes.data, bytes.size, &picture->limits, call->scratch,
                      &image, err))
        return false;
    if (picture->colours == COLOURS_GREY)
        grey_all(&image);
    return fit(picture, call, &image, &view, err) &&
           make_feed(picture, call, &view, err);
}

const struct step_type step_image = {.name = "image",
                                     .stage = STEP_PRE,
                                     .open = open_image,
                                     .apply = apply_image};
