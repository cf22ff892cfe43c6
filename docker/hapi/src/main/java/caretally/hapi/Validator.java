package caretally.hapi;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.fhirpath.IFhirPath;
import ca.uhn.fhir.parser.LenientErrorHandler;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import ca.uhn.fhir.validation.ValidationOptions;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirDefaultPolicyAdvisor;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.BooleanType;
import org.hl7.fhir.r5.utils.validation.IResourceValidator;
import org.hl7.fhir.r5.utils.validation.constants.ReferenceValidationPolicy;

/**
 * HL7's validator for R4 in one JVM a run: resources from files, one JSON line a resource on standard output.
 * Nothing is fetched. Code systems that nobody gave (CPT, ICD-10-CM, SNOMED CT) are a warning, never a success.
 *
 * <p>Arguments: --definitions FOLDER (of JSON; repeated), --rules FILE (profile URL to the FHIRPath that says which
 * resources it is for), then files and folders of .json and .ndjson. Without any, standard input is read as NDJSON.
 */
public final class Validator {

    private static final ObjectMapper JSON = new ObjectMapper();
    private final FhirContext fhir = FhirContext.forR4();
    private final PrePopulatedValidationSupport own = new PrePopulatedValidationSupport(fhir);
    private final Map<String, IFhirPath.IParsedExpression> rules = new LinkedHashMap<>();
    private final Map<String, String> types = new LinkedHashMap<>();
    private FhirValidator validator;
    private IFhirPath paths;

    private Validator() {
        // Only to read type and rules: the validator looks at the text itself.
        fhir.setParserErrorHandler(new LenientErrorHandler(false).disableAllErrors());
    }

    public static void main(String[] args) throws Exception {
        Validator run = new Validator();
        List<Path> inputs = new ArrayList<>();
        Path rules = null;
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "--definitions" -> run.define(Path.of(args[++i]));
                case "--rules" -> rules = Path.of(args[++i]);
                default -> inputs.add(Path.of(args[i]));
            }
        }
        run.prepare(rules);
        List<Input> found = new ArrayList<>();
        if (inputs.isEmpty()) {
            lines(found, "-", new String(System.in.readAllBytes(), StandardCharsets.UTF_8));
        }
        for (Path input : inputs) {
            for (Path file : files(input)) {
                String text = Files.readString(file);
                if (file.toString().endsWith(".ndjson")) {
                    lines(found, file.toString(), text);
                } else {
                    found.add(new Input(file.toString(), 1, text));
                }
            }
        }
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
        // Every core works; the answers come in the order of the questions.
        found.parallelStream().map(run::check).forEachOrdered(row -> out.println(row));
        out.flush();
    }

    private static List<Path> files(Path input) throws IOException {
        if (!Files.isDirectory(input)) {
            return List.of(input);
        }
        try (Stream<Path> found = Files.list(input)) {
            return found.filter(p -> p.toString().endsWith(".json") || p.toString().endsWith(".ndjson"))
                    .sorted()
                    .toList();
        }
    }

    private void define(Path folder) throws IOException {
        for (Path file : files(folder)) {
            own.addResource(fhir.newJsonParser().parseResource(Files.readString(file)));
        }
    }

    private void prepare(Path rulesFile) throws Exception {
        IValidationSupport defaults = new DefaultProfileValidationSupport(fhir);
        UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(fhir);
        unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
        ValidationSupportChain chain = new ValidationSupportChain(
                defaults,
                own,
                new InMemoryTerminologyServerValidationSupport(fhir),
                new CommonCodeSystemsTerminologyService(fhir),
                unknown,
                new SnapshotGeneratingValidationSupport(fhir));
        FhirInstanceValidator module = new FhirInstanceValidator(chain);
        module.setValidatorPolicyAdvisor(new ReferencesByType());
        module.setValidatorResourceFetcher(new NothingFetched());
        validator = fhir.newValidator().registerValidatorModule(module);
        paths = fhir.newFhirPath();
        if (rulesFile != null) {
            for (Map.Entry<String, JsonNode> rule :
                    JSON.readTree(rulesFile.toFile()).properties()) {
                String path = rule.getValue().asText();
                rules.put(rule.getKey(), paths.parse(path));
                types.put(rule.getKey(), path.substring(0, path.indexOf('.')));
            }
        }
    }

    /** The type that a reference names is checked; the target itself need not be at hand. */
    private static final class ReferencesByType extends FhirDefaultPolicyAdvisor {
        @Override
        public ReferenceValidationPolicy policyForReference(
                IResourceValidator validator,
                Object context,
                String path,
                String url,
                ReferenceDestinationType destination) {
            return ReferenceValidationPolicy.CHECK_TYPE_IF_EXISTS;
        }
    }

    private record Input(String file, int line, String text) {}

    private static void lines(List<Input> found, String file, String text) {
        int number = 0;
        for (String line : text.split("\n")) {
            number++;
            if (!line.isBlank()) {
                found.add(new Input(file, number, line));
            }
        }
    }

    private ObjectNode check(Input input) {
        String text = input.text();
        ObjectNode row = JSON.createObjectNode();
        row.put("file", input.file()).put("line", input.line());
        ValidationOptions options = new ValidationOptions();
        ArrayNode profiles = row.putArray("profiles");
        ArrayNode messages = JSON.createArrayNode();
        try {
            JsonNode read = JSON.readTree(text);
            String type = read.path("resourceType").asText();
            row.put("resourceType", type).put("id", read.path("id").asText());
            IBaseResource resource = fhir.newJsonParser().parseResource(text);
            for (Map.Entry<String, IFhirPath.IParsedExpression> rule : rules.entrySet()) {
                if (types.get(rule.getKey()).equals(type)
                        && paths.evaluateFirst(resource, rule.getValue(), BooleanType.class)
                                .map(BooleanType::booleanValue)
                                .orElse(false)) {
                    options.addProfile(rule.getKey());
                    profiles.add(rule.getKey());
                }
            }
            for (SingleValidationMessage found : validator.validateWithResult(text, options).getMessages()) {
                ObjectNode message = messages.addObject();
                message.put("severity", found.getSeverity().getCode());
                message.put("where", found.getLocationString());
                message.put("code", found.getMessageId());
                message.put("text", found.getMessage());
            }
        } catch (UnsupportedOperationException beyond) {
            // HAPI's validator has no list of all code systems, which it asks for when a ValueSet names an unknown one.
            messages.addObject().put("severity", "fatal").put("where", "").put("code", "NOT_CHECKED").put("text", beyond.toString());
        } catch (RuntimeException | IOException unreadable) {
            messages.addObject().put("severity", "fatal").put("where", "").put("text", unreadable.toString());
        }
        row.set("messages", messages);
        return row;
    }
}
