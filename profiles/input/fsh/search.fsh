// Search parameters that R4 lacks. A server that has them is asked less; none of them is needed.

Instance: claim-service-date
InstanceOf: SearchParameter
Usage: #definition
* url = "https://caretally.example/fhir/SearchParameter/claim-service-date"
* name = "ClaimServiceDate"
* status = #active
* experimental = false
* publisher = "Caretally contributors"
* description = "Date of service of any line of a Claim."
* code = #service-date
* base = #Claim
* type = #date
* expression = "Claim.item.serviced"
* xpath = "f:Claim/f:item/f:servicedDate | f:Claim/f:item/f:servicedPeriod"
* xpathUsage = #normal
* multipleOr = true
* multipleAnd = true

Instance: claim-line-code
InstanceOf: SearchParameter
Usage: #definition
* url = "https://caretally.example/fhir/SearchParameter/claim-line-code"
* name = "ClaimLineCode"
* status = #active
* experimental = false
* publisher = "Caretally contributors"
* description = "Code of any line of a Claim."
* code = #line-code
* base = #Claim
* type = #token
* expression = "Claim.item.productOrService"
* xpath = "f:Claim/f:item/f:productOrService"
* xpathUsage = #normal

Instance: claim-billable-period
InstanceOf: SearchParameter
Usage: #definition
* url = "https://caretally.example/fhir/SearchParameter/claim-billable-period"
* name = "ClaimBillablePeriod"
* status = #active
* experimental = false
* publisher = "Caretally contributors"
* description = "The month that a Claim bills."
* code = #billable-period
* base = #Claim
* type = #date
* expression = "Claim.billablePeriod"
* xpath = "f:Claim/f:billablePeriod"
* xpathUsage = #normal
