package caretally.hapi;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.hl7.fhir.r5.elementmodel.Element;
import org.hl7.fhir.r5.elementmodel.Manager;
import org.hl7.fhir.r5.model.CanonicalResource;
import org.hl7.fhir.r5.model.CanonicalType;
import org.hl7.fhir.r5.utils.validation.IResourceValidator;
import org.hl7.fhir.r5.utils.validation.IValidatorResourceFetcher;

/**
 * Answers the validator's questions about other resources: no address is looked up. A reference is taken to lead to an
 * empty resource of the type that it names, so that a Claim whose patient is a Practitioner is found out.
 */
final class NothingFetched implements IValidatorResourceFetcher {

    private static final Pattern REFERENCE =
            Pattern.compile("([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(/_history/[A-Za-z0-9.-]+)?");

    @Override
    public Element fetch(IResourceValidator validator, Object context, String url) throws IOException {
        Matcher reference = REFERENCE.matcher(url);
        if (!reference.matches()) {
            return null;
        }
        String empty = "{\"resourceType\": \"" + reference.group(1) + "\", \"id\": \"" + reference.group(2) + "\"}";
        return Manager.parseSingle(
                validator.getContext(),
                new ByteArrayInputStream(empty.getBytes(StandardCharsets.UTF_8)),
                Manager.FhirFormat.JSON);
    }

    @Override
    public boolean resolveURL(
            IResourceValidator validator,
            Object context,
            String path,
            String url,
            String type,
            boolean canonical,
            List<CanonicalType> targets) {
        return true;
    }

    @Override
    public byte[] fetchRaw(IResourceValidator validator, String url) {
        return null;
    }

    @Override
    public IValidatorResourceFetcher setLocale(Locale locale) {
        return this;
    }

    @Override
    public CanonicalResource fetchCanonicalResource(IResourceValidator validator, Object context, String url) {
        return null;
    }

    @Override
    public boolean fetchesCanonicalResource(IResourceValidator validator, String url) {
        return false;
    }

    @Override
    public Set<ResourceVersionInformation> fetchCanonicalResourceVersions(
            IResourceValidator validator, Object context, String url) {
        return Set.of();
    }
}
